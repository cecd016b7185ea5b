"""Who acted: the process, its parent and the user of a serial."""

from __future__ import annotations

from collectors.sources.linux_audit.lines import UNSET, Serial
from soc.model.event import Fields
from soc.normalise.accounts import base_name


def process(serial: Serial) -> Fields:
    """The acting process, from SYSCALL or from the line itself."""
    values = serial.values("SYSCALL") or (serial.lines[0].values if serial.lines else {})
    fields: Fields = {}
    for name, field in (("pid", "process.pid"), ("ppid", "process.parent.pid")):
        number = values.get(name, "")
        if number.isascii() and number.isdecimal() and len(number) < 12:
            fields[field] = int(number)
    executable = values.get("exe", "")
    if executable not in UNSET:
        fields["process.executable"] = executable
        fields["process.name"] = base_name(executable)
    if values.get("comm", "") not in UNSET:
        fields["process.title"] = values["comm"]
        fields.setdefault("process.name", values["comm"])
    tty = values.get("tty") or values.get("terminal") or ""
    if tty not in UNSET:
        fields["labels.tty"] = tty
    if values.get("key", "") not in UNSET:
        fields["auditd.key"] = values["key"].split("\x01")
    return fields | _parent(serial)


def _parent(serial: Serial) -> Fields:
    values = serial.values("SOC_PARENT")
    fields: Fields = {}
    executable, command = values.get("exe", ""), values.get("comm", "")
    if executable not in UNSET:
        fields["process.parent.executable"] = executable
    if executable not in UNSET or command not in UNSET:
        fields["process.parent.name"] = (
            base_name(executable) if executable not in UNSET else command
        )
    arguments = [part for part in values.get("cmdline", "").split("\x00") if part]
    if arguments:
        fields["process.parent.command_line"] = " ".join(arguments)
    return fields


def user(serial: Serial) -> Fields:
    values = serial.values("SYSCALL") or (serial.lines[0].values if serial.lines else {})
    names = {
        line.values.get("uid", ""): line.values.get("name", "")
        for line in serial.lines
        if line.kind == "SOC_USER"
    }
    fields: Fields = {}
    for number, capital, field in (
        ("uid", "UID", "user"),
        ("euid", "EUID", "user.effective"),
        ("gid", "GID", "group"),
    ):
        if values.get(number, "") not in UNSET:
            fields[f"{field}.id"] = values[number]
        name = (
            values.get(capital)
            or (names.get(values.get(number, "")) if field != "group" else "")
            or ""
        )
        if name not in UNSET:
            fields[f"{field}.name"] = name
    for owner in ("user", "user.effective"):
        if (
            fields.get(f"{owner}.id") == "0"
        ):  # the kernel's own name for it, where no other was sent
            fields.setdefault(f"{owner}.name", "root")
    if fields.get("user.effective.id") == fields.get("user.id"):
        fields.pop("user.effective.id", None)
        fields.pop("user.effective.name", None)
    login = values.get("auid", "")
    if login not in UNSET:
        fields["labels.login_user_id"] = login
        name = values.get("AUID") or names.get(login) or ""
        if name not in UNSET:
            fields["labels.login_user_name"] = name
    return fields
