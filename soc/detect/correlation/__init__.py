"""Correlations: what several matches say together. The answer depends on the set of matches, never on their order."""
