"""Which route a path has."""

import pytest

from exporter.errors import MethodNotAllowed, NotFound
from exporter.ingest.routes import Answer, Request, Routes


class Nothing:
    """Takes POST and answers nothing."""

    methods: tuple[str, ...] = ("POST",)

    async def take(self, request: Request) -> Answer | None:
        del request
        return None


WHOLE, PREFIX = Nothing(), Nothing()
ROUTES = Routes({"/v1/whole": WHOLE, "/v1/prefix/": PREFIX})


@pytest.mark.parametrize(
    ("path", "route", "rest"),
    [
        ("/v1/whole", WHOLE, ""),
        ("/v1/prefix/key", PREFIX, "key"),
        ("/v1/prefix/k\u00e9y", PREFIX, "k\u00e9y"),
    ],
)
def test_a_path_or_its_prefix_and_one_segment(path: str, route: Nothing, rest: str) -> None:
    assert ROUTES.find("POST", path) == (route, rest)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/v1", "/v1/", "/v1/whole/", "/v1/whole/x", "/v1/prefix", "/v1/prefix/"),
        *("/v1/prefix/a/b", "/v1/prefix//", "//v1/whole", "/V1/whole", "v1/whole", "/v1/prefix//a"),
    ],
)
def test_anything_else_is_not_found(path: str) -> None:
    with pytest.raises(NotFound, match="/v1/session-ends"):
        ROUTES.find("POST", path)


def test_another_method_is_told_which_there_are() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        ROUTES.find("GET", "/v1/whole")
    assert caught.value.allow == ("POST",)
