"""What the guide wants of drivers that are handed in for inclusion into the product.

The rules are those of its "Requirements for submission of drivers for inclusion in XenServer", by their numbers there.
"""

from __future__ import annotations

from msgspec import Struct

from xspack_tool.errors import Problem

#: What the guide's rules ask for, by number, as far as an archive can meet them.
RULES = {
    1: "a driver comes with its full source, under an open source licence compatible with the GPL",
    2: "firmware is public under a licence that allows redistribution, or there is an agreement on it",
    7: "a late fix is a small patch of its own, with the flaw, its effect, and whether customers have seen it",
    9: "the public key comes along, armoured, under the name that the pack has baked in",
}


def rule(number: int) -> str:
    """A rule as an error names it."""
    return f"submission rule {number} of the guide: {RULES[number]}"


class Fix(Struct, frozen=True):
    """A late fix: the name of its patch, and what the guide's rule 7 demands to be said."""

    patch: str
    flaw: str = ""
    effect: str = ""
    seen_by_customers: str = ""

    def problems(self) -> list[Problem]:
        """What is missing in its description."""
        lacking = [
            name for name in ("flaw", "effect", "seen_by_customers") if not getattr(self, name).strip()
        ]
        if not lacking:
            return []
        given = "env.XsPatch(file, flaw=.., effect=.., seen_by_customers=..)"
        return [Problem("patches", self.patch, rule(7), f"say its {', '.join(lacking)}: {given}")]

    def text(self) -> str:
        """The description that lies beside the patch."""
        return (
            f"{self.patch}\n\nFlaw\n{_indented(self.flaw)}\nEffect if it is not fixed\n{_indented(self.effect)}\n"
            f"Seen by customers\n{_indented(self.seen_by_customers)}"
        )


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip().splitlines())
