"""Addresses, accounts, log-in lines; and every example in a docstring."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import time

import pytest
import yaml

import soc.normalise
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.login_messages import LONGEST_LINE, read_message
from soc.normalise.yaml_places import load_with_places
from soc.normalise.yaml_text import load_yaml

MODULES = [
    f"soc.normalise.{module.name}" for module in pkgutil.iter_modules(soc.normalise.__path__)
]


@pytest.mark.parametrize("name", [*MODULES, "collectors.sources.windows.derive"])
def test_the_examples_in_docstrings_run(name: str) -> None:
    """An example that runs is the best sentence."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(
    "text", ["", "-", "LOCAL", "10.0.0", "10.0.0.256", "1.2.3.4.5", "::g", "web01"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    """Sources write words where an address should be."""
    assert ip_address(text) is None


@pytest.mark.parametrize("text", ["0", "-1", "65536", "99999999999", "٣", "", "ssh"])
def test_what_is_no_port_is_none(text: str) -> None:
    """Digits of other scripts included."""
    assert port_number(text) is None


def test_a_forged_user_name_does_not_move_the_source() -> None:
    """A user may be called ``x from 10.9.9.9 port 1 ssh2``; the last address is sshd's own."""
    forged = (
        "Failed password for invalid user x from 10.9.9.9 port 1 ssh2 from 203.0.113.9 port 2 ssh2"
    )
    assert read_message("sshd", forged)["source.ip"] == "203.0.113.9"


def test_a_line_of_another_program_is_not_believed() -> None:
    """``logger -t web 'Accepted password ...'`` is no log-in."""
    assert read_message("web", "Accepted password for root from 203.0.113.9 port 1 ssh2") == {}


@pytest.mark.parametrize("program", ["sshd", "sudo", "su", "useradd", "login", "cron"])
@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        "user from ",
        " ; USER=",
        "PWD= ; ",
        "x : ",
        "pam_unix(a:auth): authentication failure; rhost=",
        " port 1",
    ],
)
def test_no_line_takes_long(program: str, piece: str) -> None:
    """Patterns that try every way of splitting a line would let a sender stop the door."""
    line = (piece * LONGEST_LINE)[: LONGEST_LINE - 1]
    started = time.perf_counter()
    for head in ("", "lan : ", "Failed password for ", "lan : TTY=x ; PWD="):
        read_message(program, (head + line)[:LONGEST_LINE])
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 200_000, "- " * 200_000 + "x"])
def test_deep_yaml_is_refused_before_it_takes_the_process_along(text: str):
    """The composer would run out of stack, and no exception tells of that."""
    for read in (load_yaml, load_with_places):
        with pytest.raises(yaml.MarkedYAMLError, match="nested over 200 deep"):
            read(text)


def test_a_long_flat_document_is_read():
    assert len(load_yaml("- [a, {b: c}]\n" * 5_000)) == 5_000
