from tests.faults.certificate import RECHECK, renew, run

WITHOUT_WATCH = """
import asyncio
from exporter.server.certificates import Certificate
Certificate.watch = lambda self: asyncio.sleep(3600)
"""
WITHOUT_TRIAL = """
from exporter.server import certificates
contexts = [certificates._new_context()]
certificates._new_context = lambda: contexts[0]
"""
"""The pair is tried out on the context that is served."""


def test_a_renewed_certificate_is_served_and_open_connections_are_kept(tmp_path):
    """Ten renewals in `make faults`. Fails on each mutant of the next tests."""
    run(tmp_path, quick=True)


def test_a_certificate_that_is_read_once_is_noticed(tmp_path):
    found = renew(tmp_path, 1, patience=3, mutant=WITHOUT_WATCH)
    assert found.served == [float("inf")]


def test_a_pair_that_is_tried_on_the_context_that_is_served_is_noticed(tmp_path):
    assert renew(tmp_path, 1, patience=30, mutant=RECHECK + WITHOUT_TRIAL).mixed > 0
