"""A process that only searches: ``re`` holds the interpreter while it searches and cannot be stopped, a process can.

Run as a file by ``soc.detect.bounded_search``, with the standard library alone. Request: three numbers (length of the
pattern, flags, length of the text; u32), pattern, text, both UTF-8 with surrogates. Answer: one byte, 1 or 0.
"""

import re
import struct
import sys

HEAD = struct.Struct("<III")


def serve() -> None:
    """Until the other side closes."""
    source, answer = sys.stdin.buffer, sys.stdout.buffer
    known: dict[tuple[bytes, int], re.Pattern[str]] = {}
    while len(head := source.read(HEAD.size)) == HEAD.size:
        size, flags, length = HEAD.unpack(head)
        key = (source.read(size), flags)
        text = source.read(length).decode("utf-8", "surrogatepass")
        if key not in known:
            known[key] = re.compile(key[0].decode("utf-8", "surrogatepass"), flags)
        answer.write(b"\1" if known[key].search(text) else b"\0")
        answer.flush()


if __name__ == "__main__":
    serve()
