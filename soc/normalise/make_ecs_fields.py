"""Write ``ecs_fields.txt`` from the ``ecs_flat.yml`` of an ECS release.

Run as ``python -m soc.normalise.make_ecs_fields FOLDER``, where FOLDER is the unpacked release
(it holds ``version`` and ``generated/ecs/ecs_flat.yml``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from soc.normalise.yaml_text import load_yaml

HEADING = """\
# Field names and types of the Elastic Common Schema {version}, taken from its generated/ecs/ecs_flat.yml.
# Copyright Elasticsearch B.V., licensed under the Apache License, Version 2.0
# (https://www.apache.org/licenses/LICENSE-2.0). Descriptions and examples are left out.
# Made by soc/normalise/make_ecs_fields.py; not edited by hand.
"""


def listing(release: Path) -> str:
    """The text of ``ecs_fields.txt``: a heading, then a line ``name type`` for each field."""
    version = (release / "version").read_text(encoding="utf-8").strip()
    described = load_yaml((release / "generated/ecs/ecs_flat.yml").read_text(encoding="utf-8"))
    lines = [f"{name} {field['type']}" for name, field in sorted(described.items())]
    return HEADING.format(version=version) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    target = Path(__file__).with_name("ecs_fields.txt")
    target.write_text(listing(Path(sys.argv[1])), encoding="utf-8")
