"""A server's name as the resolver needs it, and as certificates and HTTP servers spell it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit


def host_of(url: str) -> str:
    """The host of a URL as the resolver needs it: no brackets, and an IPv6 zone after a plain %.

    RFC 6874 wants this % written as %25 in a URL, but often it is not.
    """
    host, percent, zone = (urlsplit(url).hostname or "").partition("%")
    return host + percent + unquote(zone[2:] if zone.startswith("25") and len(zone) > 2 else zone)


def server_name(host: str) -> str:
    """The host as certificates and servers spell it: for SNI, certificate checks and the Host header.

    It leaves out the trailing dot of an absolute name (RFC 6066 3) and the zone of an IPv6 address, which
    has a meaning on this machine only (RFC 6874 1).
    """
    return host.partition("%")[0].rstrip(".").lower()
