"""What the relays' health showed and when, laid beside the troubles that stood. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

#: A trouble that stood so long (seconds) has to be seen.
SEEN_AFTER = 60.0
#: Stands in place of a condition while a relay does not answer.
NO_ANSWER = "(no answer)"
_LINE = "{:<36} {:>5}  {:>7}  {:>7}  {:>10}  {}"


class Stood(NamedTuple):
    """A trouble from when it first met something to its end (seconds)."""

    kind: str
    begun: float
    ended: float


class Sighting(NamedTuple):
    """A condition of a relay that was shown from `since` to `until` (seconds); None: it still is."""

    relay: str
    name: str
    subject: str
    since: float
    until: float | None


class Sightings:
    """Fed with looks at the relays, in order of time."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], float] = {}
        self._over: list[Sighting] = []

    def look(self, relay: str, standing: Collection[tuple[str, str]], now: float) -> None:
        """`standing` are (name, subject)."""
        keys = {(relay, name, subject) for name, subject in standing}
        for key in [key for key in self._open if key[0] == relay and key not in keys]:
            self._over.append(Sighting(*key, self._open.pop(key), now))
        for key in keys:
            self._open.setdefault(key, now)

    def all(self) -> list[Sighting]:
        return [*self._over, *(Sighting(*key, since, None) for key, since in self._open.items())]


@dataclass(frozen=True)
class Row:
    """One kind of trouble, of those times that it stood for `SEEN_AFTER` or more.

    `first` is how long it took at most until it was seen, `gone` how long what was seen stood after it at
    most, where that ends by itself and not after a quiet time; in seconds. None: not at all.
    """

    trouble: str
    times: int
    longest: float
    wanted: bool
    seen: tuple[str, ...]
    unseen: int
    first: float | None
    gone: float | None
    stays: bool

    def __str__(self) -> str:
        if not self.wanted:
            seen = "nothing to see"
        else:
            seen = ", ".join(self.seen) + f" NOT SEEN {self.unseen} times" * bool(self.unseen)
        first = "" if self.first is None else f"{self.first:.0f} s"
        gone = "stays" if self.stays else "" if self.gone is None else f"{self.gone:.0f} s"
        return _LINE.format(self.trouble, self.times, f"{self.longest:.0f} s", first, gone, seen.strip())


HEADER = _LINE.format("stood a minute or more", "times", "longest", "seen in", "gone after", "seen as")


def table(
    troubles: Iterable[Stood],
    sightings: Collection[Sighting],
    expected: Mapping[str, Collection[str]],
    quiet: Collection[str],
) -> list[Row]:
    """A row for each kind. `expected`: conditions that show it; `quiet`: they end after a time."""
    kinds: dict[str, list[Stood]] = {}
    for each in troubles:
        if each.ended - each.begun >= SEEN_AFTER:
            kinds.setdefault(each.kind, []).append(each)
    return [
        _row(kind, stood, sightings, expected.get(kind, ()), quiet) for kind, stood in sorted(kinds.items())
    ]


def _row(
    kind: str,
    troubles: list[Stood],
    sightings: Collection[Sighting],
    wanted: Collection[str],
    quiet: Collection[str],
) -> Row:
    names: set[str] = set()
    firsts: list[float] = []
    gone: list[float] = []
    unseen, stays = 0, False
    for trouble in troubles:
        found = [each for each in sightings if each.name in wanted and _during(each, trouble)]
        names.update(each.name for each in found)
        if found:
            firsts.append(max(0.0, min(each.since for each in found) - trouble.begun))
        else:
            unseen += bool(wanted)
        for each in found:
            if each.name not in quiet:
                stays = stays or each.until is None
                gone.append(max(0.0, (each.until or trouble.ended) - trouble.ended))
    return Row(
        kind,
        len(troubles),
        max(each.ended - each.begun for each in troubles),
        bool(wanted),
        tuple(sorted(names)),
        unseen,
        max(firsts, default=None),
        max(gone, default=None),
        stays,
    )


def _during(sighting: Sighting, trouble: Stood) -> bool:
    ended = sighting.until is None or sighting.until > trouble.begun
    return ended and sighting.since < trouble.ended
