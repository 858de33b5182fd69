"""What changed between two packs, as Markdown."""

from __future__ import annotations

from msgspec.structs import replace
from pack_maker import PACK, UUID, PackMaker, package, xspack

from xspack_tool.evidence.changes import Change, PackChanges
from xspack_tool.evidence.markdown import Texts, as_markdown
from xspack_tool.model.package import FileEntry, Script, ScriptPart


def test_scriptlets_and_configuration_are_compared(make_pack: PackMaker) -> None:
    def agent(version: str, port: int) -> object:
        return package(
            version=version,
            entries=(
                FileEntry(
                    "/etc/acme.conf", "file", text=f"# kept\nport = {port}\n", mode=0o644, role="config"
                ),
            ),
            scripts=(Script("post", (ScriptPart(f"echo {version}\n"),)),),
        )

    old = make_pack(replace(PACK, version="5.1", uuid=UUID[:-1] + "1"), [agent("5.1", 1)])
    new = make_pack(PACK, [agent("5.2", 2), package("acme-new")])
    said = xspack("diff", old, new, "--markdown")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("## acme 5\\.1 → acme 5\\.2\n")
    assert "### Added\n\n- acme\\-new\\-5\\.2\\-1\\.noarch\n" in said.out
    block = "```diff\n@@ -1,2 +1,2 @@\n # kept\n-port = 1\n+port = 2\n```\n"
    assert f"### acme\\-agent\\.noarch: /etc/acme\\.conf\n\n{block}" in said.out
    assert "-echo 5.1\n+echo 5.2\n" in said.out


def test_a_hostile_text_stays_a_text() -> None:
    words = "</script>\x1b[2J [a](javascript:b) `c` ![d](http://e)"
    changes = PackChanges(words, words, (Change("~", words, "a", words),), (words,), (), {}, ())
    text = as_markdown(changes, Texts({words: "1\n```\n"}), Texts({words: "````\n<b>\n"}))
    assert "\x1b" not in text
    prose, _, block = text.partition("`````diff\n")
    assert "<" not in prose.replace("\\<", "") and "](" not in prose and "`" not in prose.replace("\\`", "")
    assert block == "@@ -1,2 +1,2 @@\n-1\n-```\n+````\n+<b>\n`````\n"
