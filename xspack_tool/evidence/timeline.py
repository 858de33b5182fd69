"""How a pack came to be in one run of SCons: what was built and why, what was reused, which step needs which."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from xspack_tool.binary.decoders import decoder_of
from xspack_tool.evidence.text import json_text
from xspack_tool.files import write_whole


class Ran(Struct, frozen=True):
    """A step that ran: its first target, its word, when it began (seconds since the first one did), how long it took
    (seconds), and why it ran."""

    target: str
    step: str
    begun: float
    seconds: float
    why: str


class Timeline(Struct, frozen=True):
    """A run that made an ISO, ``sha256`` being that of its content. ``steps`` are how many of each word the ISO needs,
    ``fetched`` how many of them came out of a cache; ``needs`` says which word needs which."""

    sha256: str
    ran: tuple[Ran, ...]
    steps: Mapping[str, int]
    fetched: Mapping[str, int]
    needs: Mapping[str, Sequence[str]]

    @property
    def seconds(self) -> float:
        """From the first step to the end of the last."""
        return max((one.begun + one.seconds for one in self.ran), default=0.0)

    def built(self, word: str) -> int:
        """How many of a word ran."""
        return sum(one.step == word for one in self.ran)

    def reused(self, word: str) -> int:
        """How many of a word were there already: nothing that they depend on had changed."""
        return self.steps[word] - self.built(word) - self.fetched.get(word, 0)


def timeline_place(folder: Path, label: str) -> Path:
    """Where a build keeps the timeline of a pack, ``folder`` being that of its outputs."""
    return folder / ".xspack" / f"timeline-{label}.json"


def write_timeline(place: Path, timeline: Timeline) -> None:
    """Note a timeline for who asks for the report later."""
    write_whole(place, json_text(msgspec.to_builtins(timeline)))


def read_timeline(place: Path, sha256: str) -> Timeline | None:
    """The timeline of the ISO with this digest; None where none is noted, or what is noted is damaged."""
    try:
        if os.path.getsize(place) > 64 << 20:
            return None
        timeline: Timeline = decoder_of(Timeline).decode(place.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return timeline if timeline.sha256 == sha256 else None
