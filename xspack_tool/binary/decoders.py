"""Decoders of JSON for types; one thread at a time makes them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import msgspec

_made: dict[Any, msgspec.json.Decoder[Any]] = {}
_lock = threading.Lock()


def decoder_of(kind: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a type. While msgspec reads the fields of a Struct, other threads run, and it lets them decode
    with those fields that are known by then: Python crashed so in builds with several jobs."""
    import msgspec

    with _lock:
        if kind not in _made:
            _made[kind] = msgspec.json.Decoder(kind)
        return _made[kind]
