"""Audit logs as they arrive in SLS: generated fast, and always the same for a seed.

Every log has an id no other log of the generator has, whatever else repeats.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping
from typing import Callable

from . import oddities, slots, texts, wire
from .pick import Pick
from .products import PRODUCTS, STREAMS, Stream

SECOND = 1_000_000_000
START = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
EVEN_MIX = dict.fromkeys(PRODUCTS, 1.0)

_TEMPLATES = 256  # a stream
_ADDRESSES = 1024
_NANOSECONDS = ("absent", "zero", "present", "present")
# Multiplication by an odd number is a permutation of the 40-bit numbers: ids look random and never repeat.
_ID_BITS = (1 << 40) - 1
_ID_STEP = 2_654_435  # small enough that products fit a machine word
_FIXED32 = struct.Struct("<I")


def parse_mix(text: str) -> dict[str, float]:
    """Parse "waf=3,vpc=1"; ValueError if wrong. A weight not given is 1, a product not named is left out."""
    mix = {}
    for part in text.split(","):
        product, _, weight = part.strip().partition("=")
        if product not in PRODUCTS:
            raise ValueError(f"unknown product {product!r}; known: {', '.join(PRODUCTS)}")
        try:
            mix[product] = float(weight or 1)
        except ValueError:
            raise ValueError(f"the weight of {product} is not a number: {weight!r}") from None
    _check_mix(mix)
    return mix


def _check_mix(mix: Mapping[str, float]) -> None:
    unknown = set(mix) - set(PRODUCTS)
    if unknown:
        raise ValueError(f"unknown products {sorted(unknown)}; known: {', '.join(PRODUCTS)}")
    if not all(0 <= weight < float("inf") for weight in mix.values()) or not sum(mix.values()):
        raise ValueError("the weights of a mix are numbers >= 0, not all of them 0")


class Generator:
    """Makes LogGroups; `made_logs` and `made_bytes` count what `groups` has yielded so far.

    The order, the ids and every byte follow from the arguments alone, unless there is a `clock`. Not
    thread-safe; two generators that load the same place need different seeds.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        mix: Mapping[str, float] = EVEN_MIX,
        nasty: float = 0.0,
        large: float = 0.0,
        logs_per_group: int = 100,
        group_bytes: int = 1 << 20,
        start: int = START,
        step: int = 1_000_000,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """`mix` weighs the products by groups; `nasty` and `large` are fractions of the logs (0 to 1).

        A group ends at `logs_per_group` logs or once it has `group_bytes` bytes. Event times begin at `start`
        and advance by `step` (nanoseconds); with a `clock` (`time.time_ns`) each group ends about now.
        """
        _check_mix(mix)
        if not (0 <= nasty <= 1 and 0 <= large <= 1 and nasty + large <= 1):
            raise ValueError("nasty and large are fractions of the logs, together at most 1")
        if logs_per_group < 1 or group_bytes < 1:
            raise ValueError("a group has at least one log and one byte")
        if start < slots.EARLIEST * SECOND or step < 0:
            raise ValueError("event times begin in 1979 or later and do not go back")
        self.made_logs = 0
        self.made_bytes = 0
        self._nasty = nasty
        self._odd = nasty + large
        self._logs_per_group = logs_per_group
        self._group_bytes = group_bytes
        self._now = start
        self._step = step
        self._clock = clock
        self._seed = seed
        self._rng = random.Random(seed)
        self._pick = Pick(self._rng)
        self._templates: dict[Stream, list[slots.Template]] = {}
        self._streams = self._weigh(mix)
        self._addresses = [
            "1{:02}.1{:02}.{:02}.1{:02}".format(*(self._pick.number(10, 99) for _ in range(4))).encode()
            for _ in range(_ADDRESSES)
        ]

    @staticmethod
    def _weigh(mix: Mapping[str, float]) -> list[tuple[float, Stream]]:
        """The streams, each with the upper end of its part of 0..1; a product's weight is split evenly."""
        total = sum(mix.values())
        weighed = []
        end = 0.0
        for stream in STREAMS:
            siblings = sum(1 for other in STREAMS if other.product == stream.product)
            end += mix.get(stream.product, 0.0) / total / siblings
            weighed.append((end, stream))
        return [(upper, stream) for upper, stream in weighed if mix.get(stream.product)]

    def groups(self, *, logs: float = float("inf"), size: float = float("inf")) -> Iterator[bytes]:
        """Yield serialized LogGroups without end, or until `logs` logs (exactly) or `size` bytes (at least).

        A further call continues where the last one stopped.
        """
        logs += self.made_logs
        size += self.made_bytes
        while self.made_logs < logs and self.made_bytes < size:
            if self._clock is not None:
                self._now = self._clock() - self._step * self._logs_per_group
            most = int(min(self._logs_per_group, logs - self.made_logs))
            yield self._group(self._next_stream(), most)

    def _next_stream(self) -> Stream:
        at = self._rng.random()
        return next((stream for end, stream in self._streams if at < end), self._streams[-1][1])

    def _group(self, stream: Stream, most: int) -> bytes:
        templates = self._templates.get(stream)
        if templates is None:
            templates = self._templates[stream] = self._prepare(stream)
        bits, chance, addresses = self._rng.getrandbits, self._rng.random, self._addresses
        now = self._now
        end_of_second = 0
        values: list[bytes] = []
        out: list[bytes] = []
        size = 0
        for number in range(self.made_logs, self.made_logs + most):
            if now >= end_of_second:
                values = slots.time_values(now // SECOND)
                end_of_second = (now // SECOND + 1) * SECOND
            noise = bits(44)
            ident = b"%010x%011x%011x" % (number * _ID_STEP & _ID_BITS, bits(44), noise)
            if self._odd and chance() < self._odd:
                log = self._odd_log(ident, now)
                out.append(log)
                size += len(log)
            else:
                values[slots.AT_HEX] = ident
                values[slots.AT_UUID] = _uuid(ident)
                values[slots.AT_PORT] = b"%05d" % (10_000 + number % 50_000)
                values[slots.AT_SIZE] = b"%06d" % (100_000 + number // 50_000 % 900_000)
                values[slots.AT_ADDRESS] = addresses[noise % _ADDRESSES]
                values[slots.AT_TIME_NS] = _FIXED32.pack(now % SECOND)
                template = templates[(noise >> 20) % _TEMPLATES]
                parts = template.parts[:]
                for part, value in template.slots:
                    parts[part] = values[value]
                out += parts
                size += template.size
            now += self._step
            self.made_logs += 1
            if size >= self._group_bytes:
                break
        out.append(self._head(stream))
        group = b"".join(out)
        self._now = now
        self.made_bytes += len(group)
        return group

    def _prepare(self, stream: Stream) -> list[slots.Template]:
        # From a random source of its own, so that the logs do not depend on the other products in the mix.
        pick = Pick(random.Random(f"{self._seed} {stream.topic}"))
        return [slots.Template(stream.contents(pick), pick.of(_NANOSECONDS)) for _ in range(_TEMPLATES)]

    def _odd_log(self, ident: bytes, now: int) -> bytes:
        make = oddities.contents if self._pick.below(self._nasty / self._odd) else oddities.large_contents
        nanoseconds = self._pick.of((None, 0, 1, now % SECOND, SECOND - 1))
        log = wire.write_log(now // SECOND, nanoseconds, make(self._pick, ident))
        return b"\x0a" + wire.varint(len(log)) + log

    def _head(self, stream: Stream) -> bytes:
        """The end of a group: topic, source and tags. A product that delivers by itself has few tags."""
        pick = self._pick
        if pick.below(self._nasty):
            return wire.write_log_group(
                (), pick.of(oddities.HEADS), pick.of(oddities.HEADS), pick.of(oddities.TAGS)
            )
        received = ("__receive_time__", str(self._now // SECOND))
        agent = [
            ("__hostname__", pick.of(texts.NAMES)),
            ("__client_ip__", pick.address()),
            ("__pack_id__", f"{pick.hex(16)}-{pick.number(1, 999):X}"),
            received,
        ]
        return wire.write_log_group((), stream.topic, stream.source, pick.of(([], [], [received], agent)))


def _uuid(ident: bytes) -> bytes:
    return b"-".join((ident[:8], ident[8:12], ident[12:16], ident[16:20], ident[20:])).upper()
