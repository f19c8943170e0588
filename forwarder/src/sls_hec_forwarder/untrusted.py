"""Numbers, JSON and texts from others: from servers, from those who write logs, from other users' files.

Whatever the input, a function here returns what its name says or raises ValueError, nothing else. Its work
and memory are in proportion to the input, whose size is limited first. Times are read in `times`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

#: Longest JSON (bytes). The largest answer is the list of a logstore's shards, some 200 bytes for each.
LONGEST_JSON: Final = 4 * 1024 * 1024
#: Deepest nesting: more than events have (wire/unfold.py), and less than any interpreter's stack allows.
DEEPEST_JSON: Final = 128
#: SLS uses signed 64-bit numbers.
LARGEST: Final = 2**63 - 1
_LONGEST_INTEGER: Final = 4300  # digits; CPython's own limit in the versions that have one
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_BRACKET: Final = re.compile(r'\\.|["\[\]{}]', re.DOTALL)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:  # takes quadratic time
        raise ValueError("a number is too long")
    return int(text)


def _float(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise ValueError("a number is too large")
    return found


def _nothing(_: str) -> None:
    return None


_DECODER: Final = json.JSONDecoder(parse_float=_float, parse_int=_integer, parse_constant=_no_number)
#: Turns every number into None, so absurd numbers do no harm: for JSON of which only texts are used.
TEXTS: Final = json.JSONDecoder(parse_float=_nothing, parse_int=_nothing, parse_constant=_nothing)


def parse_json(
    data: bytes | str, *, longest: int = LONGEST_JSON, decoder: json.JSONDecoder = _DECODER
) -> Any:
    """The value of the JSON. All numbers are finite; if an object repeats a name, the last one counts.

    Raises ValueError for anything else, for more than `longest` bytes, and for deeper nesting than any answer
    or event has. With the decoder TEXTS every number is accepted and becomes None.
    """
    if len(data) > longest:
        raise ValueError(f"more than {longest} bytes of JSON")
    try:
        # Like json.loads: a byte order mark is optional, and lone surrogates are allowed.
        text = data if isinstance(data, str) else data.decode("utf-8-sig", "surrogatepass")
        check_depth(text)
        return decoder.decode(text)
    except (ValueError, RecursionError):
        # Without the cause's text: on PyPy 7.3.11 it may hold a lone surrogate, which breaks formatting.
        raise ValueError(f"no JSON, or none that is accepted: {data[:40]!r}") from None


def check_depth(text: str) -> None:
    """Raises ValueError when JSON is nested too deep for a recursive parser."""
    if text.count("[") + text.count("{") <= DEEPEST_JSON:  # nearly always
        return
    depth, quoted = 0, False
    for found in _BRACKET.finditer(text):
        each = found.group()
        if each == '"':
            quoted = not quoted
        elif not quoted and each in "[{":
            depth += 1
            if depth > DEEPEST_JSON:
                raise ValueError("JSON is nested too deep")
        elif not quoted and each in "]}":
            depth -= 1


def whole_number(value: object, low: int = 0, high: int = LARGEST) -> int:
    """A whole number from `low` to `high`, from an integer or from its decimal digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and _WHOLE.fullmatch(value):
        number = int(value)
    else:
        raise ValueError(f"no whole number: {_shown(value)}")
    if not low <= number <= high:
        raise ValueError(f"not from {low} to {high}: {_shown(value)}")
    return number


def _shown(value: object) -> str:
    """A short form of it for messages: Python refuses to print numbers with very many digits."""
    if isinstance(value, (int, float)) and not -LARGEST <= value <= LARGEST:
        return "a number that is too large"
    return plain(f"{value!r:.40}" if isinstance(value, (int, float, str)) else type(value).__name__)


def plain(text: str, longest: int | None = None) -> str:
    """`text` as one line that is safe for any terminal, file and encoder: what cannot be printed is escaped.

    These are control characters and escape sequences, characters without width or that change the direction
    of writing, line separators and lone surrogates. After `longest` characters the text is cut, with "...".
    """
    shown = text if longest is None else text[:longest]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)
    if longest is not None and (len(text) > longest or len(shown) > longest):
        return f"{shown[:longest]}..."
    return shown
