"""One file is one verb of the command line."""
