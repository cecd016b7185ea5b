"""A small real platform for the agent's tests: HTTPS, checks signatures, keeps what it stored."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import json
import re
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import zstandard
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from collectors.agent import wire

INPUT = re.compile(
    r'sig1=(\("@method" "@path" "content-digest"\);created=(\d+);nonce="([\w-]{16,})"'
    r';keyid="([^"]+)";alg="ed25519")'
)
TOKEN = "token-1"
DROP_AFTER_READING = -1  # an answer: close the connection instead


def verify(public: bytes, method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
    """RFC 9421, written from the RFC and not from the agent's code."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    found = INPUT.fullmatch(headers.get("signature-input", ""))
    if not found or headers.get("content-digest") != f"sha-256=:{digest}:":
        return False
    base = (
        f'"@method": {method}\n"@path": {path}\n"content-digest": sha-256=:{digest}:\n'
        f'"@signature-params": {found[1]}'
    )
    signature = base64.b64decode(headers["signature"].removeprefix("sig1=:").removesuffix(":"))
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, base.encode())
    except InvalidSignature:
        return False
    return True


@dataclass
class SmallPlatform:
    """``answers`` are given first (status or (status, headers, body)); when they are used up, 200."""

    folder: Path
    answers: deque[Any] = field(default_factory=deque)
    batches: list[tuple[wire.Header, list[wire.WireRecord]]] = field(default_factory=list)
    seen: list[tuple[wire.Header, list[wire.WireRecord]]] = field(default_factory=list)
    keys: dict[str, bytes] = field(default_factory=dict)
    refused_signatures: int = 0
    inputs: list[Any] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        self.ca = self.folder / "ca.pem"
        server_pem = self.folder / "server.pem"
        make_certificates(self.ca, server_pem)
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                platform.answer(self, b"")

            def do_POST(self) -> None:
                platform.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Agents are killed here: connections that end in the middle are expected."""

        self.server = Server(("127.0.0.1", 0), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(server_pem)
        self.server.socket = tls.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        headers = {name.lower(): text for name, text in handler.headers.items()}
        with self.lock:
            self.requests.append(headers)
            status, extra, content = self.decide(handler.command, handler.path, headers, body)
        if status == DROP_AFTER_READING:
            handler.close_connection = True
            return
        text = json.dumps(content).encode()
        handler.send_response(status)
        for name, value in {**extra, "Content-Length": str(len(text))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(text)

    def decide(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        if path == "/v1/enrol":
            return self.enrol(json.loads(body))
        found = INPUT.fullmatch(headers.get("signature-input", ""))
        key = self.keys.get(found[4]) if found else None
        if key is None or not verify(key, method, path, headers, body):
            self.refused_signatures += 1
            return 401, {}, {"reason": "signature"}
        if path == "/v1/config":
            return 200, {"ETag": '"1"'}, {"version": 1, "inputs": self.inputs}
        if path == "/v1/commands":
            return 200, {}, {"platform_time": 0, "commands": []}
        batch = wire.decode_batch(zstandard.ZstdDecompressor().decompress(body))
        self.seen.append(batch)
        if self.answers:
            answer = self.answers.popleft()
            answer = answer(batch) if callable(answer) else answer
            if answer is not None:
                return answer if isinstance(answer, tuple) else (answer, {}, {"reason": "asked"})
        self.batches.append(batch)
        return 200, {}, {"batch": "x", "records": len(batch[1]), "events": 0}

    def enrol(self, asked: dict[str, Any]) -> Any:
        if asked["token"] != TOKEN:
            return 401, {}, {"reason": "unknown token"}
        agent_id = f"agent-{len(self.keys) + 1}"
        self.keys[agent_id] = base64.b64decode(asked["public_key"])
        return 201, {}, {"agent_id": agent_id, "platform_time": 0}

    def stored(self, stream: str) -> dict[int, bytes]:
        """Payloads by sequence; a sequence that came twice with other bytes is an error."""
        found: dict[int, bytes] = {}
        with self.lock:
            for header, records in self.batches:
                for one in records:
                    if header.streams[one.stream].name == stream and one.kind == wire.RECORD:
                        assert found.setdefault(one.sequence, one.payload) == one.payload
        return found

    def notices(self) -> list[dict[str, Any]]:
        return [json.loads(one) for one in self.stored("agent").values()]


def make_certificates(ca: Path, server: Path) -> None:
    """A CA of our own, and a server certificate for 127.0.0.1 by it."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "small platform CA")])
    ca_certificate = certificate(name, name, ca_key, ca_key, is_ca=True)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "small platform")])
    own = certificate(subject, name, key, ca_key, is_ca=False)
    ca.write_bytes(ca_certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    server.write_bytes(private + own.public_bytes(serialization.Encoding.PEM))


def certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if not is_ca:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return made.sign(issuer_key, hashes.SHA256())
