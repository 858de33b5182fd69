"""R1, B2, X3: what a pack may hold, and what it may call itself."""

from __future__ import annotations

import re

from xspack_tool.rules.context import PackContext
from xspack_tool.rules.finding import Hit, Skipped
from xspack_tool.rules.registry import Hits, pack_rule

#: Labels as the vendor's own updates have them: the host's release upgrade drops the records of such packs.
_RESERVED = re.compile(r"XS[0-9]+(?:E[0-9]+)?")


@pack_rule(
    "R1",
    "E",
    meaning="a remove script in a pack with kernel modules",
    remedy="drop remove=: drivers cannot be taken out of a running host",
    bad="remove=True in a pack with acme-nic",
    good="remove=True in a pack of userspace packages alone",
)
def no_removal_of_drivers(context: PackContext) -> Hits:
    if context.pack.has_remove and context.drivers:
        names = ", ".join(sorted({info.name for info in context.drivers}))
        yield Hit("remove", f"a remove script, and kernel modules in {names}")


@pack_rule(
    "B2",
    "W",
    meaning="a driver without its source",
    remedy="build it with env.KernelModule or env.SpecRpm, or keep its source RPM beside the prebuilt one",
    bad="env.PrebuiltRpm of a driver, with no source RPM",
    good='env.KernelModule("acme-nic", source=env.Dir("driver"), ..)',
)
def driver_source(context: PackContext) -> Hits:
    if context.drivers and not context.sources_known:
        yield Skipped(
            "needs the source RPMs of the drivers, which no ISO holds: give --source, or --provenance"
        )
        return
    for info in context.drivers:
        if info.name not in context.with_source and not context.submission:
            yield Hit("Source RPM", "kernel modules whose source is not at hand", rpm=info.file_name)


@pack_rule(
    "X3",
    "E",
    meaning="a label or an attribute that hosts reject, or drop silently",
    remedy="write it as hosts take it",
    bad='after_apply=["restartToolstack"], a label like "XS82E001"',
    good='after_apply=["restartHost"], a label like "acme-suite"',
)
def accepted_words(context: PackContext) -> Hits:
    for problem in context.pack.problems():
        yield Hit(problem.field, f"{problem.value!r}: {problem.rule}", remedy=problem.remedy)
    if _RESERVED.fullmatch(context.pack.label):
        found = f"{context.pack.label!r}: a release upgrade drops the record of packs that are called so"
        yield Hit("label", found, remedy="choose a label of your own")
