"""The calendar of periodic reports."""
