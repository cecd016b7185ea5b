"""What people do: triage alerts, hunt in events, work on cases with their clocks and playbooks."""
