"""Bodies of requests on their way in, bounded in time and bytes, and out of their compression."""

from __future__ import annotations

import asyncio
import zlib

from fastapi import Request

from soc.errors import BatchError, BatchTooLarge, Overloaded
from soc.receive.batches import decompress

WITHIN_SECONDS = 60.0
ALTOGETHER_BYTES = 128 * 2**20  # of all bodies at one time
RETRY_SECONDS = 5
_DRAINED_BYTES = 64 * 2**20  # read and thrown away so that a sender hears the 413
_PIECE = 2**16


class Bodies:
    """Reads bodies; all that are being read share one bound."""

    def __init__(self) -> None:
        self.reading_bytes = 0

    async def read(self, request: Request, limit: int) -> bytes:
        """The body, if it comes in time and within ``limit`` bytes.

        Raises:
            BatchTooLarge, Overloaded: too long; too slow, or too many at once.
        """
        size = held = 0
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                async for piece in request.stream():
                    size += len(piece)
                    if size > _DRAINED_BYTES + limit:
                        break
                    if size > limit:
                        continue  # drained, so that the sender hears the answer
                    pieces.append(piece)
                    held += len(piece)
                    self.reading_bytes += len(piece)
                    if self.reading_bytes > ALTOGETHER_BYTES:
                        raise Overloaded("too many bodies on their way in", retry_after_seconds=2)
        except TimeoutError as error:
            reason = f"the body did not come within {WITHIN_SECONDS:.0f} s"
            raise Overloaded(reason, retry_after_seconds=RETRY_SECONDS) from error
        finally:
            self.reading_bytes -= held
        if size > limit:
            raise BatchTooLarge(f"the body is over {limit} bytes")
        return b"".join(pieces)


def plain(body: bytes, encoding: str, *, limit_bytes: int) -> bytes:
    """The body out of its ``Content-Encoding`` (RFC 9110 section 8.4.1; zstd: RFC 8878).

    Raises:
        BatchError: another encoding, or the body is damaged or cut off.
        BatchTooLarge: over ``limit_bytes`` come out.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name == "zstd":
        found, reason = decompress(body, limit_bytes=limit_bytes)
        if reason:
            raise BatchError(reason)
        return found
    if name in ("gzip", "x-gzip", "deflate"):
        return _inflated(body, limit_bytes)
    raise BatchError(f"Content-Encoding {encoding[:40]!r}: send gzip, deflate, zstd or none")


def _inflated(body: bytes, limit_bytes: int) -> bytes:
    found = bytearray()
    while body:  # a gzip file may have several members
        stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its head
        try:
            while not stream.eof and body:
                found += stream.decompress(body, _PIECE)
                body = stream.unconsumed_tail
                if len(found) > limit_bytes:
                    raise BatchTooLarge(f"the body is over {limit_bytes} bytes when decompressed")
        except zlib.error as error:
            raise BatchError(f"the compressed body is damaged: {error}") from error
        if not stream.eof:
            raise BatchError("the compressed body is cut off")
        body = stream.unused_data
    return bytes(found)
