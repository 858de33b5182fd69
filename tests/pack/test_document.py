"""The update document: rendered, read back, and hostile ones."""

import pytest

from xspack_tool.errors import BadInput
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.pack import Pack, Rollup
from xspack_tool.pack.document import (
    Document,
    parse_document,
    render_applied,
    render_document,
    render_rolled_up,
)

UUID, OLDER = "9a1f0f0e-0000-4000-8000-000000000001", "9a1f0f0e-0000-4000-8000-000000000000"
PACK = Pack(
    label="acme-suite",
    version="5.2",
    uuid=UUID,
    description='Drivers <&> "agent" é',
    key="RPM-GPG-KEY-Acme",
    requires=(Dependency("product-version", ">=", "8.2.0"),),
    after_apply=("restartHost", "restartXAPI"),
    rollups=(Rollup(OLDER, "acme-old"),),
)
TEXT = f"""\
<update name-label="acme-suite" version="5.2" uuid="{UUID}" installation-size="4096" \
after-apply-guidance="restartHost,restartXAPI" enforce-homogeneity="false" key="RPM-GPG-KEY-Acme" \
control="control-acme-suite">
  <name-description>Drivers &lt;&amp;&gt; "agent" é</name-description>
  <rollsup name-label="acme-old" uuid="{OLDER}" />
</update>
"""


def test_the_document():
    assert render_document(PACK, 4096) == TEXT
    assert parse_document(TEXT) == Document(
        label="acme-suite",
        version="5.2",
        uuid=UUID,
        description='Drivers <&> "agent" é',
        installation_size=4096,
        after_apply=("restartHost", "restartXAPI"),
        key="RPM-GPG-KEY-Acme",
        control="control-acme-suite",
        rollups=(Rollup(OLDER, "acme-old"),),
    )


def test_the_applied_record_has_neither_key_nor_control():
    expected = TEXT.replace(' key="RPM-GPG-KEY-Acme" control="control-acme-suite"', "")
    assert render_applied(PACK, 4096) == expected


def test_what_is_not_declared_is_left_out():
    bare = Pack("a", "1", UUID, "d", "", enforce_homogeneity=True)
    assert render_document(bare, 0) == (
        f'<update name-label="a" version="1" uuid="{UUID}" installation-size="0"'
        ' enforce-homogeneity="true">\n'
        "  <name-description>d</name-description>\n</update>\n"
    )
    assert parse_document(render_document(bare, 0)).enforce_homogeneity


def test_a_rolled_up_record_names_what_replaced_it():
    text = render_rolled_up(PACK, PACK.rollups[0])
    assert text == (
        f'<update name-label="acme-old" version="5.2" uuid="{OLDER}" installation-size="0">\n'
        '  <name-description>Drivers &lt;&amp;&gt; "agent" é</name-description>\n'
        f'  <rolled-up-by name-label="acme-suite" uuid="{UUID}" />\n</update>\n'
    )
    assert parse_document(text).label == "acme-old"


def test_the_document_of_the_public_build_update_is_read():
    text = (
        f'<update after-apply-guidance="restartHost" control="control-x" installation-size="33" key="K"'
        f' name-label="x" uuid="{UUID}" version="1.0">\n'
        "  <name-description>text</name-description>\n</update>\n"
    )
    assert parse_document(text.encode()) == Document(
        "x", "1.0", UUID, "text", 33, ("restartHost",), False, "K", "control-x"
    )


@pytest.mark.parametrize("size", ["", "many", "-5", "1e3", "9" * 40, "٣"])
def test_a_malformed_size_counts_as_nothing(size):
    assert parse_document(TEXT.replace('"4096"', f'"{size}"')).installation_size == 0


BOMB = "<!DOCTYPE a [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not XML: no element found: line 1, column 0"),
        (TEXT[:-4], "is not XML: "),
        ("<patch/>", "its root is <patch>, not <update>"),
        (TEXT.replace(f'uuid="{UUID}"', "", 1), "has no attribute uuid"),
        (TEXT.replace('name-label="acme-suite"', "", 1), "has no attribute name-label"),
        (TEXT.replace('version="5.2"', "", 1), "has no attribute version"),
        (
            TEXT.replace('"acme-suite"', '"../x"', 1),
            "name-label='../x': a label must be letters, digits, _ and - (xapi refuses others)",
        ),
        (TEXT.replace(UUID, "../../etc", 1), "uuid='../../etc': not a uuid"),
        (TEXT.replace("name-description", "description"), "has no <name-description>"),
        (
            TEXT.replace("Drivers", "<b>Drivers</b>"),
            "its <name-description> must hold one text alone",
        ),
        (
            TEXT.replace('Drivers &lt;&amp;&gt; "agent" é', " "),
            "its <name-description> must hold one text alone",
        ),
        (
            BOMB + TEXT.replace("Drivers", "&b;"),
            "declares a document type or entities, which are not allowed here",
        ),
        (
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>" + TEXT,
            "declares a document type or entities, which are not allowed here",
        ),
        (b"<?xml version='1.0' encoding='utf-7'?><update/>", "is not XML: "),
        (b"<?xml version='1.0' encoding='utf-16'?><update/>", "is not XML: "),
        (b"\xff\xfe\x00", "is not XML: "),
        ("<update>" * 5000, "is not XML: "),
        ("<update>" + " " * (1 << 20), "larger than 1 MiB"),
    ],
)
def test_bad_documents_are_one_line(text, why):
    with pytest.raises(BadInput) as caught:
        parse_document(text, "X.iso: update.xml")
    message = str(caught.value)
    assert message == f"X.iso: update.xml: {why}" or (
        why.endswith(": ") and message.startswith(f"X.iso: update.xml: {why}")
    )
    assert "\n" not in message


def test_files_are_read(tmp_path):
    (tmp_path / "update.xml").write_text(TEXT, encoding="utf-8")
    assert parse_document(tmp_path / "update.xml") == parse_document(TEXT)
    with pytest.raises(BadInput) as caught:
        parse_document(tmp_path / "no.xml")
    assert str(caught.value) == f"{tmp_path}/no.xml: No such file or directory"
