"""Bulletins to agencies: written, approved by a second person, sent, answered."""
