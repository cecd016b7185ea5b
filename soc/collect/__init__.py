"""The contract of a source, and how sources are found."""
