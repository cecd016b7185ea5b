"""Real lines of services from the public corpus, as they were written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from soc.collect.discovery import read, sniff
from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack
from soc.normalise.fields import check
from tests.sources.accept import as_received

FOLDER = "wazuh-log-samples"
LINE = re.compile(r"^;?log \d+ (?:pass|fail) = ?(.*)$", re.MULTILINE)
BARE = "[notice] Apache configured"  # words that any program may write
FILES = {
    "apache.ini": ("apache_error", "web_access"),
    "openvpn_ldap.ini": ("openvpn",),
    "panda_paps.ini": ("leef",),
    "unbound.ini": ("unbound",),
}


@pytest.mark.parametrize("file", sorted(FILES))
def test_every_real_line_is_claimed_and_read_by_its_reader(corpus: Path, file: str) -> None:
    """Written by services, not by us."""
    lines = LINE.findall((corpus / FOLDER / file).read_text("utf-8"))
    assert lines, file
    for line in lines:
        raw = line.strip().encode()
        if line.strip() == BARE:
            continue
        assert sniff(raw) in FILES[file], line
        (event,) = read(as_received(raw, "auto"))
        check(event.fields)


def test_no_real_line_of_a_program_without_a_reader_is_taken_from_syslog(corpus: Path) -> None:
    """sshd, sudo, su and PAM stay where their log-ins are read."""
    for file in ("sshd.ini", "sudo.ini", "su.ini", "pam.ini"):
        for line in LINE.findall((corpus / FOLDER / file).read_text("utf-8")):
            if re.match(r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d \S+ \S+: ", line):
                assert sniff(line.strip().encode()) == "syslog", line


RULES = {
    "rules/web/proxy_generic/proxy_ua_powershell.yml": '10.1.2.19 - hoa [20/Nov/2026:09:00:05 +0700] "GET '
    'http://evil.example.net/x.ps1 HTTP/1.1" 200 120 "-" "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) '
    'WindowsPowerShell/5.1" TCP_MISS:HIER_DIRECT',
    "rules/web/webserver_generic/web_susp_useragents.yml": "2026-11-20 02:00:00 192.0.2.20 GET /tracuu.aspx ma=1 443 - "
    "203.0.113.9 sqlmap/1.8 - 200 0 0 31",
    "rules/network/dns/net_dns_susp_telegram_api.yml": "20-Nov-2026 09:00:00.123 queries: info: client @0x7f "
    "10.1.2.3#5 "
    "(api.telegram.org): query: api.telegram.org IN A + (192.0.2.53)",
    "rules/category/database/db_anomalous_query.yml": "20261120 "
    "09:00:09,db1,lan,10.1.2.5,19,345,QUERY,qlvb,'drop table x',0",
    "rules/web/product/nginx/web_nginx_core_dump.yml": "2026/11/20 09:00:05 [alert] 1#1: worker process 7 "
    "exited on signal 6 "
    "(core dumped)",
    "rules/web/product/apache/web_apache_segfault.yml": "[Fri Nov 20 09:00:07.000001 2026] [core:notice] [pid "
    "1] AH00052: "
    "child pid 4711 exit signal Segmentation Fault (11)",
    "rules/linux/builtin/syslog/lnx_syslog_susp_named.yml": "Nov 20 09:00:00 ns1 named[7]: client 203.0.113.9#0: "
    "dropping source port zero packet from 203.0.113.9",
}


@pytest.mark.parametrize("file", sorted(RULES))
def test_a_rule_of_sigmahq_finds_what_it_is_written_for(
    corpus: Path, tmp_path: Path, file: str
) -> None:
    """From the line of a service to the match."""
    shutil.copy(corpus / "sigma" / file, tmp_path)
    (event,) = read(as_received(RULES[file].encode(), "auto"))
    matcher = Matcher(compile_pack([tmp_path]))
    assert len(matcher.match(event.fields)) == 1, event.fields
