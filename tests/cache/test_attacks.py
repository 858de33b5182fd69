"""What others put into a shared cache makes no wrong bytes: it is refused, and built instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cache_fleet import Fleet, made, told
from cache_servers import Nginx
from rebuild.lab import steps

from xspack_tool.cache.keys import make_pair


def _tamper(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}))


def _replay(server: Nginx) -> None:
    """Each entry becomes that of the first, signed as it is."""
    first, *others = [path for path in server.objects() if path.parent.name == "ac"]
    for path in others:
        path.write_bytes(first.read_bytes())


def _entries(server: Nginx) -> list[Path]:
    return [path for path in server.objects() if path.parent.name == "ac"]


def _resign(server: Nginx, fleet: Fleet) -> None:
    from xspack_tool.cache.entry import Entry, sign_entry
    from xspack_tool.cache.keys import read_signing

    make_pair(fleet.folder / "other")
    key = read_signing(str(fleet.folder / "other"))
    for path in _entries(server):
        fields = json.loads(path.read_bytes())
        entry = Entry(**{name: fields[name] for name in ("key", "sha256", "size", "mode")})
        path.write_text(json.dumps({**fields, **json.loads(sign_entry(entry, key))}))


#: What one who can write to the server did -> why all of it is refused.
ATTACKS = {
    "signed by another": (_resign, "is signed by a key that is not trusted"),
    "replayed under another key": (lambda server, fleet: _replay(server), "belongs to another action"),
    "without a signature": (
        lambda server, fleet: [_tamper(path, signature=None) for path in _entries(server)],
        "has no valid signature",
    ),
    "of no format": (
        lambda server, fleet: [_tamper(path, format="xspack-cache 0") for path in _entries(server)],
        "has no valid signature",
    ),
    "another digest": (
        lambda server, fleet: [_tamper(path, sha256="0" * 64) for path in _entries(server)],
        "has no valid signature",
    ),
    "other bytes": (
        lambda server, fleet: [_tamper(path, content="AAAA") for path in _entries(server)],
        "is damaged",
    ),
    "no content": (
        lambda server, fleet: [_tamper(path, content=None) for path in _entries(server)],
        "has been evicted in part",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_others_put_there_is_not_taken(fleet: Fleet, server: Nginx, attack: str) -> None:
    act, why = ATTACKS[attack]
    first, second = fleet.clone(), fleet.clone()
    fleet.run(first, {**fleet.writer, "XSPACK_CACHE": server.url}).good()
    act(server, fleet)
    ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": server.url}).good()
    (line,) = told(ran)
    assert f": its entry in the cache {server.url} {why}; it is built instead" in line
    assert {"RPM rpms/p-1-1.noarch.rpm"} <= steps(ran) or attack.startswith("replayed")
    assert second.outputs() == first.outputs()


@pytest.mark.parametrize(
    ("fault", "why"),
    {
        "evicted": "has been evicted in part",
        "cut": "is damaged",
        "longer": "is damaged",
        "other": "is damaged",
    }.items(),
)
def test_a_large_result_that_is_gone_or_another(fleet: Fleet, server: Nginx, fault: str, why: str) -> None:
    first, second = fleet.clone(), fleet.clone()
    fleet.run(first, {**fleet.writer, "XSPACK_CACHE": server.url}).good()
    (large,) = (path for path in server.objects() if path.parent.name == "cas")
    content = large.read_bytes()
    if fault == "evicted":
        large.unlink()
    else:
        large.write_bytes({"cut": content[:-1], "longer": content + b"x", "other": b"x" + content[1:]}[fault])
    ran = fleet.run(second, {**fleet.reader, "XSPACK_CACHE": server.url}).good()
    (line,) = told(ran)
    assert line == (
        f"xspack: build/rpms/big-1-1.noarch.rpm: its entry in the cache {server.url} {why}; it is built instead,"
        " and so are others like it"
    )
    assert made(ran) == {"rpms/big-1-1.noarch.rpm"}
    assert second.outputs() == first.outputs()
