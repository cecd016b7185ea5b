"""The packet sensor: packets to JSON lines. Its own process, since scapy is GPL-2.0-only."""
