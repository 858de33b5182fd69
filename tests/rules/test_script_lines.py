"""B8: scripts that cannot start for their first line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Verdict = Callable[..., list[str]]
CR = "#!/bin/sh with a CR: no interpreter is called so"
MARK = "a byte order mark comes before #!, so it is not taken for a script"


@pytest.mark.parametrize(
    ("content", "mode", "wanted"),
    [
        (b"#!/bin/sh\r\necho hi\r\n", 0o755, CR),
        (b"#!/bin/sh\r", 0o755, CR),
        (b"\xef\xbb\xbf#!/bin/sh\nexit 0\n", 0o755, MARK),
        (b"\xef\xbb\xbf#!/bin/sh\r\nexit 0\r\n", 0o755, MARK),
        (
            b"#!/usr/bin/env python3\r\n",
            0o744,
            "#!/usr/bin/env python3 with a CR: no interpreter is called so",
        ),
        (b"#!/bin/sh\necho a\r\n", 0o755, ""),
        (b"text\r\n", 0o755, ""),
        (b"#!/bin/sh\r\n", 0o644, ""),
        (b"#!/bin/sh\n", 0o755, ""),
    ],
)
def test_b8_payload(verdict: Verdict, content: bytes, mode: int, wanted: str) -> None:
    found = verdict("B8", files={"/opt/acme/hello": content}, modes={"/opt/acme/hello": mode})
    assert found == ([f"E /opt/acme/hello: {wanted}"] if wanted else [])


def test_b8_tells_what_b6_and_s8_would(verdict: Verdict) -> None:
    files, modes = {"/opt/acme/hello": b"#!/bin/sh\r\n"}, {"/opt/acme/hello": 0o755}
    assert verdict("B6", files=files, modes=modes) == []
    scripts = {"%post": "if true; then\r\n  echo x\r\nfi\r\n"}
    assert verdict("S8", scripts=scripts) == []
    assert len(verdict("B8", scripts=scripts)) == 1
    assert verdict("B8", scripts={"%post": "echo x\n"}) == []


@pytest.mark.parametrize("where", ["precheck", "remove"])
def test_b8_scripts_of_the_pack(pack_verdict: Verdict, where: str) -> None:
    for text, wanted in (("#!/bin/sh\r\n", CR), ("\ufeff#!/bin/sh\n", MARK), ("#!/bin/sh\n", "")):
        found = pack_verdict("B8", **{f"{where}_script": text})
        assert found == ([f"E {where}: {wanted}"] if wanted else [])
