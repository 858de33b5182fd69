"""JSON: decoders for types, which one thread at a time makes, and texts with sorted keys."""

from __future__ import annotations

import json
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


def sorted_json(data: Any) -> bytes:
    """A value as compact JSON with sorted keys. What has texts for keys and no fractions is written as json writes it,
    in a fifth of the time."""
    import msgspec

    try:
        return msgspec.json.encode(data, order="sorted")
    except UnicodeEncodeError:  # a file name that is no UTF-8
        return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
