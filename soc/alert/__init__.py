"""Signals become alerts: joined by rule and entity, with a priority and a line that tells most."""
