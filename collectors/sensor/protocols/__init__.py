"""One file, one protocol: bytes of a conversation in, records out."""
