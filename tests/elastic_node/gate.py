"""A gate before a node: it answers some requests itself, as a cluster in trouble does, and lets the others pass."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = "application/vnd.elasticsearch+json;compatible-with=9"
Answer = tuple[int, bytes]
Pass = Callable[[bytes], Answer]
Judge = Callable[[str, bytes, Pass], Answer]


def error_body(kind: str, reason: str) -> bytes:
    """An error as Elasticsearch writes it."""
    cause = {"type": kind, "reason": reason}
    return json.dumps({"error": {"root_cause": [cause], **cause}}).encode()


@contextmanager
def gate(node_url: str, judge: Judge) -> Iterator[str]:
    """The gate's address. ``judge`` gets path, body and a function that asks the node with a body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, told = judge(self.path, body, self.ask)
            self.send_response(status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", JSON)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def ask(self, body: bytes) -> Answer:
            kept = {
                name: self.headers[name]
                for name in ("Accept", "Content-Type")
                if name in self.headers
            }
            request = urllib.request.Request(
                node_url + self.path, data=body or None, headers=kept, method=self.command
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:
                    return reply.status, reply.read()
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, refused.read()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()
