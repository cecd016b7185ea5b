"""A bulletin as a CSAF 2.0 document (OASIS Standard, 18 November 2022), for programs.

A vulnerability becomes a ``csaf_security_advisory`` where it names both products and CVEs (section 4.4 wants them), all
else a ``csaf_informational_advisory`` (section 4.3).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from soc.model.bulletin import Bulletin
from soc.model.indicator import Tlp

NAMESPACE = "https://soc.invalid"
TLP_1 = {Tlp.CLEAR: "WHITE", Tlp.AMBER_STRICT: "AMBER"}  # CSAF 2.0 has the labels of TLP 1
SEVERITIES = {"low": "Low", "medium": "Moderate", "high": "Important", "critical": "Critical"}


def to_csaf(
    bulletin: Bulletin,
    *,
    number: str,
    centre: str,
    approved_at: datetime,
    namespace: str = NAMESPACE,
) -> dict[str, Any]:
    """The document as JSON values."""
    moment = f"{approved_at:%Y-%m-%dT%H:%M:%SZ}"
    advisory = bool(bulletin.cves and bulletin.products)
    document: dict[str, Any] = {
        "category": "csaf_security_advisory" if advisory else "csaf_informational_advisory",
        "csaf_version": "2.0",
        "title": bulletin.title,
        "lang": "vi",
        "distribution": {"text": str(bulletin.tlp), "tlp": {"label": _label(bulletin.tlp)}},
        "publisher": {"category": "coordinator", "name": centre, "namespace": namespace},
        "notes": [{"category": "summary", "text": bulletin.summary, "title": "Tóm tắt"}],
        "references": [
            {"category": "external", "summary": url, "url": url} for url in bulletin.references
        ]
        or [{"category": "self", "summary": number, "url": f"{namespace}/{number.lower()}.json"}],
        "tracking": {
            "id": number,
            "status": "final",
            "version": "1",
            "initial_release_date": moment,
            "current_release_date": moment,
            "revision_history": [{"date": moment, "number": "1", "summary": "Ban hành"}],
        },
    }
    if bulletin.severity:
        document["aggregate_severity"] = {"text": SEVERITIES[bulletin.severity]}
    if bulletin.body:
        document["notes"].append(
            {"category": "details", "text": bulletin.body, "title": "Nội dung"}
        )
    if not advisory:
        document["notes"].append(
            {"category": "general", "text": "\n".join(bulletin.actions), "title": "Việc cần làm"}
        )
        return {"document": document}
    return {"document": document, **_affected(bulletin)}


def _affected(bulletin: Bulletin) -> dict[str, Any]:
    """The products, and each CVE as a vulnerability of all of them."""
    products = {f"SP-{place:04}": name for place, name in enumerate(bulletin.products, 1)}
    return {
        "product_tree": {
            "full_product_names": [
                {"name": name, "product_id": key} for key, name in products.items()
            ]
        },
        "vulnerabilities": [
            {
                "cve": cve,
                "notes": [{"category": "summary", "text": bulletin.summary}],
                "product_status": {"known_affected": list(products)},
                "remediations": [
                    {"category": "mitigation", "details": action, "product_ids": list(products)}
                    for action in bulletin.actions
                ],
            }
            for cve in bulletin.cves
        ],
    }


def _label(tlp: Tlp) -> str:
    return TLP_1.get(tlp) or tlp.removeprefix("TLP:")
