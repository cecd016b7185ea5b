"""The agent: gathers raw records, spools them on disk, and ships them until acknowledged."""
