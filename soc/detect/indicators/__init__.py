"""Indicators of compromise: read, kept within reason, and matched against every event."""
