"""What both stand-ins are: a server of the service, and its admin API beside it."""

from __future__ import annotations

from typing import TypeVar

from sls_hec_standins.http.server import Server

_This = TypeVar("_This", bound="Standin")


class Standin:
    """Both are up while it is used as a context manager, or between `start` and `stop`."""

    def __init__(self, server: Server, admin: Server) -> None:
        self.server = server
        self.admin = admin

    @property
    def url(self) -> str:
        """Scheme, address and port of the service."""
        return self.server.url

    @property
    def admin_url(self) -> str:
        """The same of the admin API."""
        return self.admin.url

    def start(self: _This) -> _This:
        self.admin.start()
        try:
            self.server.start()
        except BaseException:
            self.admin.stop()
            raise
        return self

    def stop(self) -> None:
        """Close all ports and connections; RuntimeError if a thread does not end."""
        try:
            self.server.stop()
        finally:
            self.admin.stop()

    def __enter__(self: _This) -> _This:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()
