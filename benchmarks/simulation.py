"""``python -m benchmarks.simulation``: from which size on a shared cache, and more kits, pay.

A working day of a fleet is played through: builds begin at random times, each asks for the modules of its drivers
for its releases; what the cache has is fetched, the rest waits for a kit of that release and is compiled there. The
costs are measured ones (RESULTS.md); a fleet of one's own is described by options.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import sys
from dataclasses import dataclass, replace

DAY = 8 * 3600.0


@dataclass(frozen=True)
class Fleet:
    """Who builds what, and what each part costs in seconds."""

    developers: int = 10
    #: Builds of one of them in a day; each is of so many drivers for so many releases.
    builds: int = 6
    drivers: int = 3
    releases: int = 3
    #: How much of what a build needs was built before, by anybody, unchanged.
    hits: float = 0.8
    #: Compiling one driver for one release; everything else of a build.
    compile: float = 60.0
    rest: float = 3.0
    #: One request to the cache, and the bytes of a driver's modules at the network's rate.
    latency: float = 0.05
    fetch: float = 0.05
    #: Builds that a kit of a release compiles at once, over all its machines.
    kits: int = 1
    cache: bool = True


@dataclass(frozen=True)
class Day:
    """How a day went: seconds of each build, sorted, and seconds that kits compiled."""

    builds: list[float]
    compiled: float

    @property
    def median(self) -> float:
        return statistics.median(self.builds)

    @property
    def worst(self) -> float:
        """What all but a twentieth of the builds keep within."""
        return self.builds[min(len(self.builds) - 1, int(len(self.builds) * 0.95))]


def play(fleet: Fleet, seed: int = 1) -> Day:
    """One day. The same fleet and seed make the same day."""
    chance = random.Random(seed)
    begins = sorted(chance.uniform(0, DAY) for _ in range(fleet.developers * fleet.builds))
    free = [[0.0] * fleet.kits for _ in range(fleet.releases)]
    took, compiled = [], 0.0
    for begin in begins:
        ends = begin
        for release in free:
            for _ in range(fleet.drivers):
                known = chance.random() < fleet.hits
                asked = begin + (fleet.latency if fleet.cache else 0.0)
                if known and fleet.cache:
                    ends = max(ends, asked + fleet.fetch)
                    continue
                start = max(asked, heapq.heappop(release))
                heapq.heappush(release, start + fleet.compile)
                compiled += fleet.compile
                ends = max(ends, start + fleet.compile)
        took.append(ends - begin + fleet.rest)
    return Day(sorted(took), compiled)


def kits_for(fleet: Fleet, limit: float) -> int:
    """The fewest kits a release with which all but a twentieth of the builds end within ``limit`` seconds."""
    return next(kits for kits in range(1, 10_000) if play(replace(fleet, kits=kits)).worst <= limit)


def table(fleet: Fleet, sizes: list[int], limit: float) -> str:
    """For each size: builds with one kit a release, without and with a cache, and the kits that are enough."""
    lines = [
        (
            "| developers | builds a day | without a cache, one kit | with a cache, one kit "
            "| hours saved | kits without | kits with |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        without = replace(fleet, developers=size, cache=False)
        cached = replace(fleet, developers=size, cache=True)
        plain, quick = play(without), play(cached)
        cells = [
            str(size),
            str(size * fleet.builds),
            f"{_time(plain.median)}, 95 %: {_time(plain.worst)}",
            f"{_time(quick.median)}, 95 %: {_time(quick.worst)}",
            f"{(sum(plain.builds) - sum(quick.builds)) / 3600:.1f}",
            str(kits_for(without, limit)),
            str(kits_for(cached, limit)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def main(argv: list[str]) -> int:
    """Print the table for a fleet."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation", description="when a shared cache pays"
    )
    standard = Fleet()
    for name in ("builds", "drivers", "releases", "hits", "compile", "rest", "latency", "fetch"):
        value = getattr(standard, name)
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{value}")
    parser.add_argument(
        "--limit", type=float, default=600.0, help="seconds within which builds should end (600)"
    )
    parser.add_argument(
        "sizes", type=int, nargs="*", default=[1, 2, 5, 10, 20, 50, 100, 200], help="developers"
    )
    given = vars(parser.parse_args(argv))
    sizes, limit = given.pop("sizes"), given.pop("limit")
    if limit <= given["rest"] + given["latency"] + given["compile"] * given["drivers"]:
        parser.error("--limit must be longer than one build with a kit of its own takes")
    print(table(Fleet(**given), sizes, limit))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
