"""The bulletin as a letter on A4, for who files paper: the same bulletin gives the same bytes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import orjson

from soc.model.bulletin import Bulletin

TEMPLATE = Path(__file__).parent / "templates" / "letter.typ"


def to_pdf(
    bulletin: Bulletin, *, number: str, agency: str, centre: str, approved_at: datetime
) -> bytes:
    """The printed letter."""
    import typst  # only a letter needs it

    shown = {
        "number": number,
        "agency": agency,
        "centre": centre,
        "day": f"ngày {approved_at:%d} tháng {approved_at:%m} năm {approved_at:%Y}",
        "title": bulletin.title,
        "tlp": str(bulletin.tlp),
        "summary": bulletin.summary,
        "actions": bulletin.actions,
        "due": f"{bulletin.due_on:%d/%m/%Y}" if bulletin.due_on else "",
        "cves": ", ".join(bulletin.cves),
        "products": bulletin.products,
        "body": [part for part in bulletin.body.split("\n\n") if part.strip()],
        "indicators": bulletin.indicators,
        "references": bulletin.references,
    }
    made: bytes = typst.compile(
        TEMPLATE,
        sys_inputs={"letter": orjson.dumps(shown).decode()},
        ignore_system_fonts=True,
        timestamp=int(approved_at.timestamp()),
    )
    return made
