"""What an event of a product nobody wrote a reader for is about: its own words against a few lists.

Generic formats (CEF, LEEF, key=value) name an action, a category and a title in the product's words. The lists are
short on purpose: a word that means different things in different products is in none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from soc.model.event import Fields

BLOCKED = re.compile(
    r"\b(?:block(?:ed|ing)?|den(?:y|ied)|drop(?:ped)?|reject(?:ed)?|prevent(?:ed)?|quarantined?|refused?|"
    r"reset|discard(?:ed)?|terminated?|clean(?:ed)?|deleted?)\b"
)
ALLOWED = re.compile(
    r"\b(?:allow(?:ed)?|permit(?:ted)?|pass(?:ed|through)?|accept(?:ed)?|forward(?:ed)?)\b"
)
FAILED = re.compile(r"\b(?:fail(?:ed|ure|s)?|unsuccessful|invalid|incorrect|wrong|denied|error)\b")
DONE = re.compile(r"\b(?:success(?:ful|fully)?|succeeded|ok|accepted|completed)\b")
ABOUT: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), category, kind)
    for pattern, category, kind in (
        (r"\b(?:malware|virus|anti-?virus|trojan|ransomware|spyware|worm|botnet|adware|pua)\b", "malware", "info"),
        (r"\b(?:intrusion|ips|ids|exploit|attack|sql injection|xss|brute.?force|web threat|waf)\b",
         "intrusion_detection", "info"),
        (r"\b(?:log(?:ged)?[ -]?(?:in|on)|sign(?:ed)?[ -]?(?:in|on)|authenticat(?:ion|ed|e)|sso|mfa|2fa)\b",
         "authentication", "start"),
        (r"\b(?:log(?:ged)?[ -]?(?:out|off)|sign(?:ed)?[ -]?(?:out|off))\b", "authentication", "end"),
        (r"\b(?:user|account|group|password) (?:was )?"
         r"(?:created|added|deleted|removed|changed|modified|disabled|enabled|reset)\b", "iam", "change"),
        (r"\b(?:config(?:uration)?|policy|setting)s? (?:was |has been )?(?:changed?|modified|updated?)\b",
         "configuration", "change"),
    )
)  # fmt: skip
OUTCOMES: Mapping[str, str] = {
    **dict.fromkeys(("success", "succeeded", "successful", "ok", "1", "true", "allowed"), "success"),
    **dict.fromkeys(("failure", "fail", "failed", "error", "0", "false", "denied"), "failure"),
}  # fmt: skip
LOOKED_AT = 400


def add_about(fields: Fields, *, action: str, words: str, outcome: str = "") -> None:
    """Category, type and outcome from an action ("blocked"), words (title, category) and what was said of the outcome.

    >>> fields: Fields = {}
    >>> add_about(fields, action="blocked", words="Web attack found")
    >>> fields["event.category"], fields["event.type"], fields["event.kind"]
    (['intrusion_detection'], ['info', 'denied'], 'alert')
    """
    verdict, category, kind, alert = _about(action[:LOOKED_AT], words[:LOOKED_AT])
    flows = "source.ip" in fields and "destination.ip" in fields
    if flows and category in ("", "intrusion_detection", "malware"):
        category = f"{category} network".strip()
    kinds = ["connection"] if category == "network" else [kind]
    if verdict and flows:
        kinds.append(verdict)
    elif verdict == "denied":
        kinds.append("denied")
    fields["event.type"] = kinds
    if category:
        fields["event.category"] = category.split()
    if alert:
        fields["event.kind"] = "alert"
    result = OUTCOMES.get(outcome.lower(), "") or _outcome(action, words, verdict, category)
    if result:
        fields["event.outcome"] = result


@lru_cache(maxsize=8_192)
def _about(action: str, words: str) -> tuple[str, str, str, bool]:
    acts, text = action.lower(), f"{words} {action}".lower().replace("_", " ")
    verdict = "denied" if BLOCKED.search(acts) else "allowed" if ALLOWED.search(acts) else ""
    for pattern, category, kind in ABOUT:
        if pattern.search(text):
            return verdict, category, kind, category in ("malware", "intrusion_detection")
    return verdict, "", "info", False


def _outcome(action: str, words: str, verdict: str, category: str) -> str:
    if verdict:
        return "failure" if verdict == "denied" else "success"
    if category not in ("authentication", "iam", "configuration"):
        return ""
    text = f"{words[:LOOKED_AT]} {action[:LOOKED_AT]}".lower()
    if FAILED.search(text):
        return "failure"
    return "success" if DONE.search(text) or category != "authentication" else ""


@lru_cache(maxsize=8_192)
def slug(text: str) -> str:
    """A product's words as a word of ours: ``Trend Micro|Deep Security`` gives ``trend_micro_deep_security``.

    >>> slug("Trend Micro|Deep Security"), slug("!!!")
    ('trend_micro_deep_security', '')
    """
    return re.sub(r"[^a-z0-9]+", "_", text[:120].lower()).strip("_")


@lru_cache(maxsize=4_096)
def product_slug(vendor: str, product: str) -> str:
    """Vendor and product as one word; a product that begins with its vendor's name is not said twice.

    >>> product_slug("Fortinet", "FortiGate"), product_slug("Acme", "Acme Gate")
    ('fortinet_fortigate', 'acme_gate')
    """
    whole = product.lower().startswith(vendor.lower())
    return slug(product if whole else f"{vendor} {product}")
