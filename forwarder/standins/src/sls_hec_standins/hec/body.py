"""The request body as HEC reads it: decompressed, and within limits."""

from __future__ import annotations

import json
import zlib

from sls_hec_standins.hec.answers import HtmlRefusal, Refusal
from sls_hec_standins.hec.behaviour import Behaviour
from sls_hec_standins.http import Request

_GZIP = 31  # window bits that make zlib expect a gzip header and trailer


def unpack(request: Request, behaviour: Behaviour) -> bytes:
    """The body, decompressed. `HtmlRefusal` 415, 413 or 400, or `Refusal` 6, for what cannot be read."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity") or not request.body:
        return request.body
    if encoding != "gzip":
        raise HtmlRefusal(415, f"Content-Encoding {encoding} is not supported.")
    limit = behaviour.max_content_length if behaviour.gzip_limit == "expanded" else None
    try:
        return _gunzip(request.body, limit, several=behaviour.gzip_members == "all")
    except (zlib.error, EOFError) as error:
        if behaviour.bad_gzip == "json":
            raise Refusal(6) from error
        raise HtmlRefusal(400, "The body is not gzip.") from error


def holds(request: Request, marker: bytes) -> bool:
    """Whether the body has `marker` in it, for a firewall that looks into gzip. Bad gzip is read as it is."""
    body = request.body
    if request.headers.get("content-encoding", "").strip().lower() == "gzip":
        try:
            body = _gunzip(body, None, several=True)
        except (zlib.error, EOFError):
            return marker in body
    return marker in body


def ack_numbers(body: bytes) -> list[int]:
    """The ids of an acknowledgement query. `Refusal` 6 if there are none."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(6) from error
    numbers = asked.get("acks") if isinstance(asked, dict) else None
    if not isinstance(numbers, list) or not numbers or not all(type(number) is int for number in numbers):
        raise Refusal(6)
    return numbers


def _gunzip(data: bytes, limit: int | None, *, several: bool) -> bytes:
    parts: list[bytes] = []
    size = 0
    while data:
        member = zlib.decompressobj(_GZIP)
        # To zlib, 0 means no limit; one byte above the limit shows that there is more.
        part = member.decompress(data, 0 if limit is None else limit - size + 1)
        size += len(part)
        if limit is not None and size > limit:
            raise HtmlRefusal(413, "The decompressed body is too large.")
        if not member.eof:
            raise EOFError("gzip member cut short")
        parts.append(part)
        data = member.unused_data
        if data and not several:
            raise Refusal(6)
    return parts[0] if len(parts) == 1 else b"".join(parts)
