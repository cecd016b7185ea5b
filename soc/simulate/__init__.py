"""Made-up days of a province's agencies, as raw records of real formats: synthetic, and said to be so in each record.

    from soc.simulate import Plan, days

    for source, raw, label, host, at in days(Plan(seed=7, start=date(2026, 11, 23), days=14, workstations=50)):
        ...

``days(plan)`` is an iterator of ``Record``, in order of time:

- ``source``: the reader's name (``windows_xml``, ``linux_audit``, ``syslog``, ``web_access``, ``fortigate``);
- ``raw``: the record's bytes as an agent would ship them;
- ``label``: the ``Label`` of the attack that the record belongs to, or None for the office day;
- ``host``: the host whose agent would have sent it (``RawRecord.host``; access logs do not say it themselves);
- ``at``: the record's time, aware UTC.

The same plan gives the same bytes, whatever the process; memory grows with the hosts, not with the days.
``site_of(plan)`` tells the machines and people; ``scenario_names()`` the attacks that ``Plan.attacks`` may name.

What gives the synthetic away: every host is below ``tinh.example`` (RFC 2606), every outside address is of the
documentation networks (RFC 5737), the firewall is called ``FG-SYNTHETIC``.
"""

from soc.simulate.days import days
from soc.simulate.record import Label, Plan, Record
from soc.simulate.scenarios import scenario_names
from soc.simulate.site import Machine, Person, Site, site_of

__all__ = [
    "Label",
    "Machine",
    "Person",
    "Plan",
    "Record",
    "Site",
    "days",
    "scenario_names",
    "site_of",
]
