"""What a package adds to server status reports."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from xspack_tool.rpm.scriptlets.status_report import Directory, ReportCommand, StatusReport, render

FULL = StatusReport(
    "acme",
    pii="if_customized",
    files=("/var/log/acme.log", "/etc/acme.conf"),
    directories=(Directory("/var/log/acme", r".*\.log$"), Directory("/var/lib/acme", '"<&', negate=True)),
    commands=(ReportCommand("/opt/acme/bin/agentctl status 2>&1 | head", "status"), ReportCommand("uptime")),
    min_size=0,
    max_size=1048576,
    min_time=1,
    max_time=30,
    mime="application/data",
    checked=False,
    hidden=True,
    name="acme-agent",
)
CAPABILITY = (
    '<capability pii="if_customized" min_size="0" max_size="1048576" min_time="1" max_time="30" '
    'mime="application/data" checked="false" hidden="true"/>\n'
)
COLLECT = r"""<collect>
  <files>/var/log/acme.log /etc/acme.conf</files>
  <directory pattern=".*\.log$">/var/log/acme</directory>
  <directory pattern='"&lt;&amp;' negate="true">/var/lib/acme</directory>
  <command label="status">/opt/acme/bin/agentctl status 2&gt;&amp;1 | head</command>
  <command>uptime</command>
</collect>
"""


def test_a_category_of_its_own() -> None:
    assert FULL.problems() == []
    assert render(FULL) == [
        ("/etc/xensource/bugtool/acme.xml", CAPABILITY),
        ("/etc/xensource/bugtool/acme/acme-agent.xml", COLLECT),
    ]


def test_what_is_written_is_what_is_read() -> None:
    """With the readings that xen-bugtool itself makes of the two files."""
    capability, collect = (ET.fromstring(text) for _, text in render(FULL))
    assert (capability.tag, capability.attrib["pii"]) == ("capability", "if_customized")
    assert (collect.findtext("files") or "").split() == list(FULL.files)
    for element, directory in zip(collect.findall("directory"), FULL.directories, strict=True):
        assert (element.text, element.get("pattern")) == (directory.path, directory.pattern)
        assert (element.get("negate", "false") == "true") is directory.negate
        assert re.compile(element.attrib["pattern"])
    assert [element.text for element in collect.findall("command")] == [c.command for c in FULL.commands]


@pytest.mark.parametrize(
    ("category", "extends", "paths"),
    [
        ("xenserver-logs", None, ["xenserver-logs/x.xml"]),
        ("acme", True, ["acme/x.xml"]),
        ("acme", None, ["acme.xml", "acme/x.xml"]),
        ("yum", False, ["yum.xml", "yum/x.xml"]),
    ],
)
def test_an_existing_category_is_extended_with_the_second_file_alone(category, extends, paths) -> None:
    report = StatusReport(category, files=("/a",), name="x", extends=extends)
    assert [path for path, _ in render(report)] == [f"/etc/xensource/bugtool/{path}" for path in paths]


WRONG = [
    (StatusReport("a/b", files=("/a",)),
     "category='a/b': a report's category must be letters, digits and _ . -; choose such a name"),
    (StatusReport("a", files=("/a",), name=".."),
     "name='..': a report's name must be letters, digits and _ . -; choose such a name"),
    (StatusReport("a", pii="mayb", files=("/a",)),  # type: ignore[arg-type]
     "pii='mayb': must say whether personal data may be collected; did you mean 'maybe'?"),
    (StatusReport("a"), "files=(): the report collects nothing; give files=, directories= or commands="),
    (StatusReport("a", files=("log",)),
     "files='log': a path must be absolute and without '..'; begin it with /"),
    (StatusReport("a", directories=(Directory("/a/../b"),)),
     "directories='/a/../b': a path must be absolute and without '..'; begin it with /"),
    (StatusReport("a", files=("/a b",)),
     "files='/a b': xen-bugtool splits names at blanks; collect its folder with directories="),
    (StatusReport("a", directories=(Directory("/a", "("),)),
     "pattern='(': not a regular expression (missing ), unterminated subpattern at position 0); correct the pattern"),
    (StatusReport("a", commands=(ReportCommand("a\0b"),)),
     "status_report='a\\x00b': must not be empty, nor hold what XML cannot; give one line of text"),
    (StatusReport("a", files=("/a",), min_size=-1),
     "min_size=-1: min_size must be a number of bytes; give a whole number from 0"),
    (StatusReport("a", files=("/a",), min_time=5, max_time=1),
     "min_time=5: larger than max_time=1; exchange the two"),
    (StatusReport("a", files=("/a",), mime="text"), "mime='text': not a media type; write it as \"text/plain\""),
]  # fmt: skip


@pytest.mark.parametrize(("report", "message"), WRONG)
def test_mistakes_are_named(report: StatusReport, message: str) -> None:
    assert [str(problem) for problem in report.problems()] == [message]
