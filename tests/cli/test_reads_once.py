"""``xspack verify`` reads no more of a pack than it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pack_maker import PackMaker, xspack

from xspack_tool.hosts import reading
from xspack_tool.pack.iso_read import IsoReader
from xspack_tool.rules import engine


def test_an_iso_is_opened_once_and_each_header_read_once(
    make_pack: PackMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    iso, opened, headers = make_pack(), [], []
    opens = IsoReader.__init__

    def count_opens(self: IsoReader, path: Path) -> None:
        opened.append(path)
        opens(self, path)

    monkeypatch.setattr(IsoReader, "__init__", count_opens)
    for module in (reading, engine):

        def count_headers(file: Any, name: str, read: Any = module.read_info) -> Any:
            headers.append(name)
            return read(file, name)

        monkeypatch.setattr(module, "read_info", count_headers)
    xspack("verify", iso, "--key", make_pack.key.file)
    assert opened == [iso]
    assert len(headers) == len(set(headers)) > 1
