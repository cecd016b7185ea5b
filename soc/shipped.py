"""Where the rules, playbooks and mappings that come with the product stand: in the repository, or inside the wheel."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def folder(name: str) -> Path:
    """``rules``, ``playbooks`` or ``edr-mappings``.

    Raises:
        FileNotFoundError: the installation lacks the folder.
    """
    for candidate in (HERE / "shipped" / name, HERE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"the folder {name}/ is missing beside {HERE}: install the product again"
    )
