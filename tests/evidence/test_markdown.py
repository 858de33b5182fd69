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
    assert said.out.startswith("## acme 5.1 → acme 5.2\n")
    assert "### Added\n\n```diff\n+ acme-new-5.2-1.noarch\n```\n" in said.out
    assert "### Pack\n\n```diff\n! version: 5.1 -> 5.2\n" in said.out
    block = "```diff\n@@ -1,2 +1,2 @@\n # kept\n-port = 1\n+port = 2\n```\n"
    assert f"### `acme-agent.noarch: /etc/acme.conf`\n\n{block}" in said.out
    assert "-echo 5.1\n+echo 5.2\n" in said.out


def test_a_hostile_text_stays_a_text() -> None:
    """As a reader of CommonMark with the extensions of forges takes it: in headings, paragraphs and blocks."""
    from markdown_it import MarkdownIt

    words = "</script>\x1b[2J [a](javascript:b) ``c` ![d](http://e) @you www.evil.example __f__ 1. g"
    hostile = (words, f"{words}`", f"`{words}", "- x", "1. x", "www.evil.example", "# x", "x\n- y", "<b>", "")
    for name in hostile:
        changes = PackChanges(
            name, name, (Change("~", name, "a", name),), (name,), (name,), {name: (Change("+", name),)}, ()
        )
        text = as_markdown(changes, Texts({name: "1\n```\n"}), Texts({name: "````\n<b>\n"}))
        assert "\x1b" not in text
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
        assert {token.type for token in tokens} == {
            *("heading_open", "inline", "heading_close", "fence", "paragraph_open", "paragraph_close")
        }
        parts = {part.type for token in tokens for part in token.children or ()}
        assert parts <= {"text", "code_inline"}
        plain = [part.content for token in tokens for part in token.children or () if part.type == "text"]
        assert not any(sign in part for part in plain for sign in ("@", "www.", "://", "#"))
    last = text.rpartition("`````diff\n")[2]
    assert last == "@@ -1,2 +1,2 @@\n-1\n-```\n+````\n+<b>\n`````\n"
