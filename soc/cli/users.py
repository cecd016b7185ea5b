"""``soc users``: accounts of the console."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from soc.access.accounts import Accounts
    from soc.access.desk import AccessDesk
    from soc.model.scope import Scope

app = typer.Typer(no_args_is_help=True, help="Accounts: add, list, disable, reset, role.")

Name = Annotated[str, typer.Argument(help="The sign-in name.")]
Role = Annotated[str, typer.Option(help="See `soc users roles`.")]
Agency = Annotated[
    list[str] | None,
    typer.Option("--agency", help="Key of an agency it may see; again for more. None: all."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def _accounts() -> tuple[Accounts, Scope]:
    from soc.access.accounts import Accounts
    from soc.cli.opening import operator, site_database

    return Accounts(site_database()), operator()


def _desk() -> tuple[AccessDesk, Scope]:
    from soc.access.desk import AccessDesk
    from soc.cli.opening import operator, site_database

    return AccessDesk(site_database(), second_factor=False), operator()


@app.command("add")
def add(
    name: Name, role: Role, agency: Agency = None, full_name: Annotated[str, typer.Option()] = ""
) -> None:
    """Make an account and print its one-time password, which is shown only now.

    Example: soc users add thuha --role agency_officer --agency sxd --full-name "Đầu mối Sở Xây dựng"
    """
    accounts, scope = _accounts()
    password = accounts.add(
        scope, name, role=role, agency_ids=agency, full_name=full_name, now=datetime.now(UTC)
    )
    print(f"{name} signs in once with {password} and then chooses a password.")


@app.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List the accounts.

    Example: soc users list --json
    """
    accounts, scope = _accounts()
    for row in accounts.all(scope):
        if as_json:
            facts = {
                "name": row.name,
                "full_name": row.full_name,
                "role": row.role,
                "agencies": row.agency_ids,
                "second_factor": bool(row.totp_secret),
                "must_change": row.must_change,
                "disabled_at": row.disabled_at and row.disabled_at.isoformat(),
                "last_sign_in_at": row.last_sign_in_at and row.last_sign_in_at.isoformat(),
            }
            print(json.dumps(facts, ensure_ascii=False))
            continue
        agencies = "whole province" if row.agency_ids is None else ", ".join(row.agency_ids)
        state = "disabled" if row.disabled_at else "one-time password" if row.must_change else ""
        print(f"{row.name:20} {row.role:16} {agencies:30} {state}".rstrip())


@app.command("roles")
def roles() -> None:
    """List the roles and what they permit.

    Example: soc users roles
    """
    from soc.access.roles import shipped_roles

    for name, role in shipped_roles().by_name.items():
        print(f"{name:16} {role.title}: {', '.join(sorted(role.permissions))}")


@app.command("role")
def role(name: Name, role: Role, agency: Agency = None) -> None:
    """Give an account another role and agencies; it has to sign in again.

    Example: soc users role thuha --role responder
    """
    accounts, scope = _accounts()
    accounts.change_role(scope, name, role=role, agency_ids=agency, now=datetime.now(UTC))
    print(f"{name} is now {role}.")


@app.command("disable")
def disable(name: Name) -> None:
    """No more sign-ins; open sessions end at once.

    Example: soc users disable thuha
    """
    accounts, scope = _accounts()
    accounts.disable(scope, name, now=datetime.now(UTC))
    print(f"{name} is disabled.")


@app.command("enable")
def enable(name: Name) -> None:
    """Let a disabled account sign in again.

    Example: soc users enable thuha
    """
    accounts, scope = _accounts()
    accounts.enable(scope, name, now=datetime.now(UTC))
    print(f"{name} may sign in again.")


@app.command("reset")
def reset(
    name: Name,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Forget the authenticator app too.")
    ] = False,
) -> None:
    """Print a new one-time password; open sessions end.

    Example: soc users reset thuha --second-factor
    """
    accounts, scope = _accounts()
    password = accounts.reset(scope, name, second_factor=second_factor, now=datetime.now(UTC))
    print(f"{name} signs in once with {password} and then chooses a password.")


@app.command("sessions")
def sessions(
    name: Name, end: Annotated[bool, typer.Option("--end", help="End all of them.")] = False
) -> None:
    """List the live sessions of an account, or end them.

    Example: soc users sessions thuha --end
    """
    desk, scope = _desk()
    now = datetime.now(UTC)
    for row in desk.sessions(scope, name, now=now):
        print(
            f"{row.created_at:%Y-%m-%d %H:%M} UTC  {row.kind:8} {row.address:20} {row.user_agent}"
        )
    if end:
        print(f"{desk.revoke_sessions(scope, name, now=now)} sessions ended.")
