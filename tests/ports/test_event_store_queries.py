"""The query language that every EventStore reads."""

from __future__ import annotations

import re

import pytest

from soc.errors import QueryError
from soc.ports import EventStore
from tests.store.events import PROVINCE, event, numbers

EVENTS = [
    event(
        1,
        {
            "source.ip": "10.0.0.5",
            "source.port": 443,
            "event.code": "4624",
            "process.executable": "C:\\Windows\\System32\\cmd.exe",
            "process.command_line": "cmd.exe /c WHOAMI /all",
            "message": "Failed password for ROOT from 10.0.0.5",
            "host.name": "SYT-FS01",
        },
        level=2,
    ),
    event(
        2,
        {
            "source.ip": "2001:db8::1",
            "source.port": 80,
            "event.code": "0443",
            "user.name": "Đặng Văn İn",
            "tags": ["Một", "hai", "BA"],
            "host.name": "SYT-FS02",
            "url.path": "/cgi-bin/test?a=1&b=(2)",
        },
    ),
    event(
        3,
        {
            "source.ip": "192.168.1.1",
            "source.port": 8443,
            "event.code": "4688",
            "labels.note": 'a:b/c\\d "q" [z] {y} ~!^',
            "process.executable": "/usr/bin/bash",
            "event.risk_score": 3.5,
            "host.name": "SYT-FS10",
            "winlog.record_id": 12345678901,
        },
        agency=None,
    ),
]
QUERIES = {
    "": [1, 2, 3],
    "*": [1, 2, 3],
    "*:*": [1, 2, 3],
    "event.code:4624": [1],
    "event.code:443": [],  # leading zeros are part of a text
    "event.code:0443": [2],
    "source.port:443": [1],
    "source.port:(443 OR 80)": [1, 2],
    "source.port:[80 TO 443]": [1, 2],
    "source.port:{80 TO 8443}": [1],
    "source.port:[80 TO 8443}": [1, 2],
    "source.port:>443": [3],
    "source.port:>=443": [1, 3],
    "source.port:<80": [],
    "source.port:[* TO 100]": [2],
    "source.port:[* TO *]": [1, 2, 3],
    "event.risk_score:3.5": [3],
    "event.risk_score:[3 TO 4]": [3],
    "winlog.record_id:12345678901": [3],
    "winlog.record_id:>12345678900": [3],
    "event.code:[4600 TO 4700]": [1, 3],
    "source.ip:10.0.0.5": [1],
    "source.ip:10.0.0.0/8": [1],
    "source.ip:[10.0.0.1 TO 10.0.0.9]": [1],
    "source.ip:{10.0.0.5 TO 10.0.0.9]": [],
    "source.ip:>=192.0.0.0": [3],
    'source.ip:"2001:db8::/32"': [2],
    'source.ip:"2001:DB8:0::1"': [2],
    r"source.ip:2001\:db8\:\:1": [2],
    'source.ip:["2001:db8::" TO "2001:db8::ff"]': [2],
    "source.ip:10.*": [1],
    r'process.executable:"C:\\Windows\\System32\\cmd.exe"': [1],
    r'process.executable:"c:\\WINDOWS\\system32\\CMD.EXE"': [1],
    r"process.executable:C\:\\Windows\\System32\\cmd.exe": [1],
    r"process.executable:*\\cmd.exe": [1],
    r"process.executable:C\:\\Win*": [1],
    "process.executable:*system32*": [1],
    "process.executable:*/b?sh": [3],
    'process.executable:"/usr/bin/bash"': [3],
    r"process.executable:\/usr\/bin\/bash": [3],
    "process.executable:/.*(cmd|ba.h).*/": [1, 3],
    r"process.executable:/C:\\WIN\S+/": [1],
    'process.executable:["/" TO "0"]': [3],
    "host.name:SYT-FS0?": [1, 2],
    "host.name:syt-fs*": [1, 2, 3],
    "host.name:syt-fs01": [1],
    "host.name:[SYT-FS01 TO SYT-FS02]": [1, 2],
    "host.name:syt": [],  # a whole value
    "whoami": [1],
    "WhoAmI": [1],
    "*hoam*": [1],
    "wh?ami": [1],
    "*md.ex?": [1],
    "cmd.exe": [1],
    '"cmd exe"': [1],
    '"exe cmd"': [],
    "cgi-bin": [2],
    'message:"failed PASSWORD for"': [1],
    "message:root": [1],
    "message:passw*": [1],
    "message:/pass.+/": [1],
    'message:"password failed"': [],
    'message:"failed for"~1': [1],
    '"failed password"': [1],
    "password": [1],
    "message:*": [1],
    "_exists_:message": [1],
    "NOT _exists_:message": [2, 3],
    "user.name:*": [2],
    '_exists_:"user.name"': [2],
    'user.name:"đặng văn in"': [2],
    'user.name:"ĐẶNG VĂN İN"': [2],
    r"user.name:ĐẶNG\ văn\ IN": [2],
    "user.name:đặng*": [2],
    "user.name:dang*": [],  # marks count
    "đặng": [2],
    "ĐẶNG": [2],
    "tags:HAI": [2],
    "tags:(một AND ba)": [2],
    "tags:(một AND bốn)": [],
    r'labels.note:"a:b/c\\d \"q\" [z] {y} ~!^"': [3],
    r"labels.note:a\:b\/c\\d*": [3],
    r'url.path:"/cgi-bin/test?a=1&b=(2)"': [2],
    r"url.path:*\?a=1*": [2],
    "source.port:443 AND whoami": [1],
    "source.port:443 whoami": [1],  # side by side means both
    "source.port:443 host.name:syt-fs02": [],
    "source.port:443 OR source.port:80": [1, 2],
    "source.port:443 OR NOT event.code:4688": [1, 2],
    "NOT source.port:443": [2, 3],
    "-source.port:443": [2, 3],
    "+host.name:syt* -source.port:443": [2, 3],
    "NOT (whoami OR đặng)": [3],
    "NOT NOT whoami": [1],
    "(source.port:443 OR source.port:80) AND NOT tags:hai": [1],
    "whoami^2": [1],
    "soc.agency_id:so-y-te": [1, 2],
    "NOT soc.agency_id:*": [3],
    "soc.level:2": [1],
    "@timestamp:2026-11-22": [1, 2, 3],
    "@timestamp:[2026-11-22T12:00:02 TO *]": [2, 3],
    '@timestamp:["2026-11-22T05:00:02Z" TO "2026-11-22T12:00:02+07:00"]': [2],
    "@timestamp:>2026-11-22": [],
    "@timestamp:<2026-11-22T12:00:02": [1],
    "event.id:" + "0" * 31 + "2": [2],
    "_id:" + "0" * 31 + "2": [2],
}
REFUSED = {
    "(whoami": "too early",
    "whoami AND": "too early",
    '"whoami': "cannot read",
    "foo.bar:1": "unknown field 'foo.bar'",
    "proces.name:cmd": "did you mean process",
    "C:\\Windows": "quotes",
    "source.ip:2001:db8::1": "inside a value",
    "source.ip:[a TO b]": "not an IP address",
    "source.ip:[10.0.0.1 TO 2001\\:db8\\:\\:1]": "not of both",
    "whoam~1": "'~'",
    'host.name:"a b"~2': "text field",
    "[1 TO 2]": "field name",
    "!!!": "no letters or digits",
    "process.name:/^cmd$/": "leave out",
    "process.name:/(/": "cannot be read",
    "process.name:/a{1000}{1000}/": "too large",
    "winlog.*:x": "wildcards in field names",
    "@timestamp:yesterday": "not a time",
    "@timestamp:2026-*": "takes times",
    "message:[a TO b]": "no order",
    "AND": "cannot read",
    ")": "cannot read",
}


@pytest.fixture
def filled(event_store: EventStore) -> EventStore:
    """The three events above."""
    event_store.append(PROVINCE, EVENTS)
    return event_store


def test_each_query_finds_its_events(filled: EventStore):
    found = {query: sorted(numbers(filled.search(PROVINCE, query).events)) for query in QUERIES}
    assert found == QUERIES


@pytest.mark.parametrize(("query", "reason"), REFUSED.items())
def test_what_cannot_be_read_is_refused_with_a_reason(filled: EventStore, query: str, reason: str):
    with pytest.raises(QueryError, match=re.escape(reason)):
        filled.search(PROVINCE, query)


def test_a_refusal_names_the_place(filled: EventStore):
    with pytest.raises(QueryError) as refused:
        filled.search(PROVINCE, "whoami AND foo.bar:1")
    assert refused.value.position == 11


@pytest.mark.parametrize(
    "query",
    [
        "(" * 5_000 + "a" + ")" * 5_000,
        "NOT " * 5_000 + "a",
        "a " * 40_000,
        "x OR " * 10_000 + "x",
        "process.name:" + "?*" * 3_000,
        "process.name:[" + "a" * 3_000 + " TO b]",
        " OR ".join(["process.name:/.*a.{5}/"] * 200),
    ],
)
def test_a_query_made_to_hurt_is_refused(filled: EventStore, query: str):
    """Depth, number of parts, length and the size of patterns are bounded."""
    with pytest.raises(QueryError):
        filled.search(PROVINCE, query)


def test_a_long_query_of_many_parts_is_read(filled: EventStore):
    """Hunts converted from Sigma rules have hundreds of alternatives."""
    query = " OR ".join(f"process.command_line:*tool{number}*" for number in range(300))
    assert filled.count(PROVINCE, f"whoami OR {query}") == 1
