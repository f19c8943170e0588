"""Requests and responses as the stand-ins see them: whole messages, bodies in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Headers = Sequence["tuple[str, str]"]


class BadRequest(Exception):
    """The request cannot be understood; `status` is the answer (400 unless told otherwise)."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Request:
    """One request. `App.route` gets it before its body is read, with `body` empty.

    `path` and `query` are percent-decoded (the last of repeated query keys wins), `raw_path` and
    `raw_query` are as received, which is what signatures are computed over. `headers` have lower-case
    names; repeated ones are joined with ", " ("; " for cookies, RFC 9113 8.2.3). `peer` is the client's
    address without its port. `secure` tells whether the request came over TLS, `connection` is the number of
    its connection at this server.
    """

    method: str
    path: str
    query: dict[str, str]
    raw_query: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    peer: str
    secure: bool
    raw_path: str
    connection: int = 0

    def cookies(self) -> dict[str, str]:
        """The cookies the client sent back; pieces without "=" are ignored."""
        pairs = (piece.split("=", 1) for piece in self.headers.get("cookie", "").split(";") if "=" in piece)
        return {name.strip(): value.strip() for name, value in pairs}


@dataclass(frozen=True)
class Response:
    """One answer. The server adds Content-Length and Connection, and Date where there is none."""

    status: int
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)


def json_response(status: int, obj: Any, headers: Headers = ()) -> Response:
    """`obj` as compact UTF-8 JSON."""
    body = json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Response(status, [("Content-Type", "application/json; charset=UTF-8"), *headers], body)


def text_response(
    status: int, text: str, content_type: str = "text/plain", headers: Headers = ()
) -> Response:
    return Response(status, [("Content-Type", f"{content_type}; charset=UTF-8"), *headers], text.encode())


def parse_head(
    method: bytes,
    target: bytes,
    raw_headers: Sequence[tuple[bytes, bytes]],
    *,
    peer: str,
    secure: bool,
    connection: int = 0,
) -> Request:
    """The head of a request, in origin form or in absolute form.

    In absolute form, as sent to a proxy, the authority of the target replaces the Host header
    (RFC 9112 3.2.2). Raises `BadRequest` for any other target.
    """
    headers = _merge(raw_headers)
    text = target.decode("latin-1")
    if text.lower().startswith(("http://", "https://")):
        try:
            parts = urlsplit(text)
        except ValueError as error:
            raise BadRequest(f"bad request target: {error}") from error
        if not parts.netloc:
            raise BadRequest("absolute request target without a host")
        headers["host"] = parts.netloc.rsplit("@", 1)[-1]
        raw_path, raw_query = parts.path or "/", parts.query
    elif text.startswith("/") or (text == "*" and method == b"OPTIONS"):
        raw_path, _, raw_query = text.partition("?")
    else:
        raise BadRequest("request target is neither a path nor an absolute URL")
    return Request(
        method=method.decode("latin-1"),
        path=unquote(raw_path, errors="replace"),
        query=dict(parse_qsl(raw_query, keep_blank_values=True, errors="replace")),
        raw_query=raw_query,
        headers=headers,
        body=b"",
        peer=peer,
        secure=secure,
        raw_path=raw_path,
        connection=connection,
    )


def _merge(raw_headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for raw_name, raw_value in raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in merged:
            value = merged[name] + ("; " if name == "cookie" else ", ") + value
        merged[name] = value
    return merged
