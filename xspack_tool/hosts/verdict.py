"""What a host says of a pack: it takes it, or why not, in the words that its user would see."""

from __future__ import annotations

from msgspec import Struct


class Rejection(Struct, frozen=True):
    """One reason to refuse a pack: the error code that the host's user sees, and what is behind it."""

    code: str
    why: str

    def __str__(self) -> str:
        return f"{self.code}: {self.why}"


class Verdict(Struct, frozen=True):
    """What one host says.

    ``remarks`` are what it takes but does not treat as its author may expect; ``unjudged`` is what could not
    be judged here, and what would be needed. A host that ``declines`` takes no pack of this kind, as a remark says:
    others may, and nothing is wrong with the pack.
    """

    host: str
    rejections: tuple[Rejection, ...] = ()
    remarks: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    declines: bool = False

    @property
    def accepted(self) -> bool:
        """Whether nothing was found for which the host would refuse it."""
        return not self.rejections and not self.declines
