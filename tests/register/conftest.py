"""Register files written by the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = """\
format: 1
agencies:
- id: sxd
  code: 000.00.08.H99
  name: Sở Xây dựng
- id: syt
  code: H99.09
  name: Sở Y tế
contacts:
- id: sxd.monitoring
  agency: sxd
  role: monitoring
  name: Đầu mối giám sát
  phone: '0000100001'
systems:
- id: HT-011
  name: Hồ sơ cấp phép xây dựng
  owner: sxd
  operator: sxd
  level: 3
  approval_state: approved
assets:
- id: fs01
  name: SXD-FS01
  kind: server
  agency: sxd
  system: HT-011
  addresses: [10.14.8.10]
  criticality: 3
ranges:
- cidr: 10.14.0.0/16
  agency: sxd
- cidr: 2001:db8:14::/48
  agency: sxd
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a register file and gives its path."""

    def write(text: str, name: str = "province.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write
