"""S11: what shellcheck says of scriptlets."""

from __future__ import annotations

from collections.abc import Iterator

from xspack_tool.rpm.shellcheck import shellcheck
from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.families.script_lines import first_cr
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import rpm_rule
from xspack_tool.rules.shell.scriptlets import shell_scriptlets

#: The most remarks that are shown of one scriptlet.
_MOST = 5


@rpm_rule(
    "S11",
    "I",
    meaning="shellcheck, where it is asked (`XSPACK_SHELLCHECK=1`, `xspack verify --shellcheck`), warns of a scriptlet",
    remedy="look its number up at https://www.shellcheck.net/wiki/, which tells how to leave one out, too",
    bad="%post\ncd /opt/acme\nrm -f *.old",
    good="%post\ncd /opt/acme || exit 0\nrm -f ./*.old",
)
def shellcheck_warns(context: RpmContext) -> Iterator[Hit]:
    """Where it is wanted. What the shell cannot read is S8's, or B8's."""
    if not context.driver_data.shellcheck:
        return
    for scriptlet in shell_scriptlets(context.info):
        if first_cr(scriptlet.text) or scriptlet.syntax_error:
            continue
        said = shellcheck(scriptlet.text)
        for line, words in said[:_MOST]:
            yield Hit(scriptlet.where, words, line=line)
        if len(said) > _MOST:
            yield Hit(
                scriptlet.where, f"{len(said) - _MOST} more, see shellcheck's own output", line=said[_MOST][0]
            )
