"""Spellings of a server's name: as the resolver wants it, and as the server itself knows it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit


def host_of(url: str) -> str:
    """The host of a URL as the resolver wants it: no brackets, the zone of an IPv6 address behind a %.

    In a URL the % is written %25 (RFC 6874), but often is not.
    """
    host, percent, zone = (urlsplit(url).hostname or "").partition("%")
    return host + percent + unquote(zone[2:] if zone.startswith("25") and len(zone) > 2 else zone)


def server_name(host: str) -> str:
    """The host as certificates and servers have it, for SNI, their comparison and the Host header.

    The ending dot of an absolute name is not part of it (RFC 6066 3), nor is the zone of an IPv6 address,
    which means something on this machine only (RFC 6874 1).
    """
    return host.partition("%")[0].rstrip(".").lower()
