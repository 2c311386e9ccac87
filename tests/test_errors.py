"""Each error has a status and a reason, and the tree in the docstring is the tree there is."""

import inspect
import re
from http import HTTPStatus

import pytest

from exporter import errors
from exporter.errors import REFUSED_REASONS, REJECTED_REASONS, ExporterError, Refused, refusals
from exporter.metrics import own

KINDS = list(refusals())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_refusal_has_a_status_a_reason_and_a_title(kind: type[Refused]) -> None:
    assert 400 <= HTTPStatus(kind.status) <= 503
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.reason)
    assert kind.title
    assert {"status", "reason", "title"} <= vars(kind).keys()


def test_reasons_are_unique_and_the_closed_set_has_them_all() -> None:
    reasons = [kind.reason for kind in KINDS]
    assert len(set(reasons)) == len(reasons)
    assert tuple(reasons) == REFUSED_REASONS
    assert len(set(REJECTED_REASONS)) == len(REJECTED_REASONS)
    assert not set(REJECTED_REASONS) & set(REFUSED_REASONS)


def test_every_status_is_counted_from_the_start() -> None:
    assert {kind.status for kind in KINDS} | {200, 204, 304} == set(own._STATUSES)


def test_the_docstring_draws_the_tree_there_is() -> None:
    drawn = dict(re.findall(r"^[ │├└─]*([A-Z]\w+)(?: +(\d{3}))?", errors.__doc__ or "", re.M))
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, ExporterError)
    }
    names = {name for name in drawn if name in classes or name.endswith("Error")}
    assert names == classes.keys()
    for kind in KINDS:
        assert drawn[kind.__name__] == str(kind.status)


def test_a_config_error_keeps_its_mistakes_apart() -> None:
    error = errors.ConfigError("one", "two")
    assert error.mistakes == ("one", "two")
    assert str(error) == "one\ntwo"
