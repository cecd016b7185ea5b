"""What may leave: a table of rules, and the checks that no rule can switch off (state secrets, PAP:RED).

A document without a marking counts as TLP:AMBER. Markings are its fields ``tlp``, ``pap`` and ``personal_data``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from soc.errors import DeliveryError, SettingsError
from soc.model.indicator import Tlp
from soc.normalise.yaml_text import load_yaml
from soc.report.national.link import Message
from soc.report.national.state_secret import secret_stamp

SHIPPED = Path(__file__).with_name("leave_rules.yaml")
FROM_FREE_TO_STRICT = (Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED)
PAP_RED = "PAP:RED"  # not to be acted on or asked about outside


class LeaveRule(BaseModel):
    """One row of the table: a message leaves when one row fits it in everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    kinds: tuple[str, ...] = Field(min_length=1)  # forms, with * and ?
    recipients: tuple[str, ...] = Field(min_length=1)  # names, letter by letter
    adapters: tuple[str, ...] = Field(min_length=1)
    approvers: tuple[str, ...] = Field(min_length=1)
    most: Tlp = Tlp.AMBER
    red_to: tuple[str, ...] = ()
    personal_data: bool = False


@dataclass(frozen=True, slots=True)
class LeaveRules:
    """The table of one site."""

    rules: tuple[LeaveRule, ...]

    def check(self, message: Message, adapter: str) -> LeaveRule:
        """The rule by which the message may leave.

        Raises:
            DeliveryError: permanent; the reason names the recipient and what forbids it.
        """
        fields = message.facts.get("fields") or {}
        if stamp := secret_stamp(message):
            raise _refused(message, f"it is stamped {stamp}: a state secret never leaves this way")
        if str(fields.get("pap", "")).upper() == PAP_RED:
            raise _refused(message, "it is marked PAP:RED")
        kind = str(message.facts.get("form", ""))
        reasons = []
        for rule in self.rules:
            if not any(fnmatchcase(kind, pattern) for pattern in rule.kinds):
                continue
            reason = _against(rule, message, adapter)
            if reason is None:
                return rule
            reasons.append(f"rule {rule.name}: {reason}")
        raise _refused(message, "; ".join(reasons) or f"no rule lets a {kind or 'nameless'} leave")


def _against(rule: LeaveRule, message: Message, adapter: str) -> str | None:
    """Why the rule does not let it go; None when it does."""
    fields = message.facts.get("fields") or {}
    marking = str(fields.get("tlp") or Tlp.AMBER).upper()
    if message.recipient not in rule.recipients:
        return "not a recipient"
    if adapter not in rule.adapters:
        return f"not by {adapter}"
    if not any(fnmatchcase(message.approved_by, pattern) for pattern in rule.approvers):
        return f"{message.approved_by or 'nobody'} may not approve it"
    if marking not in set(Tlp):
        return f"{marking} is no TLP 2.0 marking"
    if marking == Tlp.RED and message.recipient not in rule.red_to:
        return "TLP:RED goes to named people only"
    strictness = FROM_FREE_TO_STRICT.index
    if marking != Tlp.RED and strictness(Tlp(marking)) > strictness(rule.most):
        return f"{marking} is stricter than {rule.most}"
    if _says_yes(fields.get("personal_data")) and not rule.personal_data:
        return "it has personal data"
    return None


def _says_yes(value: object) -> bool:
    """Whatever is not plainly a no counts as a yes."""
    return str(value or "").strip().casefold() not in {"", "no", "false", "0", "không"}


def _refused(message: Message, reason: str) -> DeliveryError:
    return DeliveryError(f"not sent to {message.recipient!r}: {reason}", permanent=True)


def load_leave_rules(path: Path = SHIPPED) -> LeaveRules:
    """Raises SettingsError with the file and the place when the table cannot be used: nothing leaves then."""
    try:
        told = load_yaml(path.read_bytes())
        rules = TypeAdapter(tuple[LeaveRule, ...]).validate_python(told)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise SettingsError(f"{path}: {place}: {first['msg']}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return LeaveRules(rules)
