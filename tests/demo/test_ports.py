"""Ports of the demo's programs."""

import socket

import pytest

from exporter.demo.ports import HOST, Ports
from tests.e2e.prometheus_process import free_port


def test_a_free_port_is_taken_as_it_is_and_not_talked_about() -> None:
    told: list[str] = []
    usual = free_port()
    assert Ports(told.append).port("Prometheus", usual) == usual
    assert told == []


def test_a_taken_port_gives_the_next_free_one_and_says_so() -> None:
    told: list[str] = []
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        port = Ports(told.append).port("Prometheus", taken)
    assert port > taken
    assert told == [f"port {taken} is taken: Prometheus is on {port}"]


def test_no_port_is_given_to_two_programs_before_the_first_has_bound_it() -> None:
    """Fails when what was given out is not remembered."""
    ports = Ports(lambda _: None)
    usual = free_port()
    assert ports.port("events", usual) != ports.port("pages", usual)


def test_a_machine_without_a_free_port_is_an_error_with_the_program_s_name() -> None:
    ports = Ports(lambda _: None)
    with pytest.raises(OSError, match="Prometheus: no free port from 65536 on"):
        ports.port("Prometheus", 65536)
