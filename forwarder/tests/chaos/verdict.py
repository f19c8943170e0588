"""What came of a run, and how it is printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sls_hec_standins.hec.compare import Comparison

from .sightings import HEADER, Row


@dataclass
class Verdict:
    """What came of a run; `wrong` is empty if it went well."""

    seed: int
    profile: str
    begun: Counter[str]
    fired: Mapping[str, int]
    result: Comparison
    planted: Counter[str]
    dead: Counter[str]
    refused: int
    bytes_repeated: int
    bytes_allowed: int
    memory: dict[str, int]
    health: list[Row]
    seconds: float
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        result, mib = self.result, 1024 * 1024
        names = sorted(self.begun)
        width = max((len(name) for name in names), default=0)
        lines = [f"{'trouble':<{width}}  begun  requests hit"]
        lines += [f"{name:<{width}}  {self.begun[name]:>5}  {self.fired.get(name, ''):>12}" for name in names]
        peaks = ", ".join(f"{name} {peak // mib} MiB" for name, peak in sorted(self.memory.items()))
        lines += [
            "",
            f"seed {self.seed}, profile {self.profile}, {self.seconds:.0f} s, "
            f"{sum(self.begun.values())} troubles of {len(names)} kinds",
            f"logs          {result.expected:>9,}",
            f"missing       {result.missing - sum(self.planted.values()) - self.refused:>9,}",
            f"dead letters  {len(self.dead):>9,}, {sum(self.planted.values()):,} of them planted "
            f"({', '.join(f'{count} {way}' for way, count in sorted(self.planted.items()))})",
            f"refused       {self.refused:>9,} for a while, among the dead letters and not indexed",
            f"altered       {result.mismatches:>9,}",
            f"unexpected    {result.unexpected + result.unidentified:>9,}",
            f"duplicates    {result.duplicates:>9,} ({self.bytes_repeated / mib:.1f} MiB, "
            f"at most {self.bytes_allowed / mib:.0f} MiB), all identified",
            f"memory        {peaks} at most",
        ]
        if self.health:
            lines += ["", HEADER, *map(str, self.health)]
        return "\n".join([*lines, *(f"WRONG: {text}" for text in self.wrong)])
