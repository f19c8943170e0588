"""Parameters of admin requests: JSON objects and queries, checked, with errors that say what was expected."""

from __future__ import annotations

from typing import Any, Callable

from sls_hec_standins.http import BadRequest, Request, Response, json_body
from sls_hec_standins.sls import cursors
from sls_hec_standins.sls.errors import SlsError

_REQUIRED = object()


class Params:
    """The members of a JSON object or of a query, taken one by one; `done` refuses what is left."""

    def __init__(self, given: Any) -> None:
        if not isinstance(given, dict):
            raise BadRequest("the body is not a JSON object")
        self._left = dict(given)

    def take(self, name: str, kind: Any, default: Any = _REQUIRED) -> Any:
        if name not in self._left:
            if default is _REQUIRED:
                raise BadRequest(f"{name!r} is missing")
            return default
        value = self._left.pop(name)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            expected = " or ".join(sorted({k.__name__ for k in kinds}))
            raise BadRequest(f"{name!r} must be {expected}, not {value!r}")
        return value

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        values = self.take(name, list, list(default))
        if not all(isinstance(value, str) for value in values):
            raise BadRequest(f"{name!r} must be a list of texts")
        return tuple(values)

    def number(self, name: str) -> int | None:
        """A number in a query, where everything is text."""
        text = self.take(name, str, None)
        if text is not None and not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise BadRequest(f"{name!r} must be a number, not {text!r}")
        return None if text is None else int(text)

    def cursor(self, name: str) -> int | None:
        text = self.take(name, str, None)
        position = None if text is None else cursors.decode(text)
        if text is not None and position is None:
            raise BadRequest(f"{name!r} must be a cursor, not {text!r}")
        return position

    def rest(self) -> dict[str, Any]:
        rest, self._left = self._left, {}
        return rest

    def done(self) -> None:
        if self._left:
            raise BadRequest(f"unknown: {', '.join(sorted(self._left))}")


def handle(handler: Callable[[Params], Response], request: Request) -> Response:
    """Call `handler` with the body of a POST or the query of anything else."""
    given = json_body(request) if request.method == "POST" else request.query
    try:
        return handler(Params(given))
    except SlsError as error:
        raise BadRequest(f"{error.code}: {error.message}", error.status) from error
    except ValueError as error:
        raise BadRequest(str(error)) from error
