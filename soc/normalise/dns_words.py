"""Questions to name servers as ECS fields, in the words of the servers' logs."""

from __future__ import annotations

from functools import lru_cache

from soc.model.event import Fields

CLASSES = frozenset({"IN", "CH", "HS", "ANY", "NONE"})
LONGEST_NAME = 1_100  # 255 bytes, each written as \ddd at most


@lru_cache(maxsize=65_536)
def host_name(written: str) -> str:
    r"""A name as it is asked for: without the last dot, and Windows' ``(3)www(7)example(3)com(0)`` read.

    >>> host_name("(3)www(7)example(2)vn(0)"), host_name("www.example.vn."), host_name(".")
    ('www.example.vn', 'www.example.vn', '.')
    """
    if written.startswith("("):
        labels = [piece.partition(")") for piece in written[1:].split("(")]
        name = ".".join(label for _, _, label in labels if label)
        return name or "."
    return written[:-1] if len(written) > 1 and written.endswith(".") else written


def add_question(fields: Fields, name: str, kind: str = "", of_class: str = "") -> None:
    """Who is asked for: the name, the type ("A") and the class ("IN")."""
    named = host_name(name.strip("'\"")[:LONGEST_NAME])
    if named:
        fields["dns.question.name"] = named
    if kind:
        fields["dns.question.type"] = kind.upper()
    if of_class:
        fields["dns.question.class"] = of_class.upper()


def add_dns(fields: Fields, *, answer: bool = False, denied: bool = False) -> None:
    """What every line about a question has."""
    fields["event.category"] = ["network"]
    fields["event.type"] = ["protocol", "denied"] if denied else ["protocol"]
    fields["dns.type"] = "answer" if answer else "query"
    fields["network.protocol"] = "dns"


def add_response(fields: Fields, code: str) -> None:
    """NOERROR, NXDOMAIN, SERVFAIL ...: a name that does not exist is an answer too."""
    if code:
        fields["dns.response_code"] = code.upper()
        failed = code.upper() not in ("NOERROR", "NXDOMAIN")
        fields["event.outcome"] = "failure" if failed else "success"
