"""iptables: a chain of the package's own, hooked in before the final REJECT, kept in /etc/sysconfig/iptables.

The order is the vendor guide's: restore the saved rules, append, save. In the installer's chroot no rules may
be loadable; then the saved file is edited, so that the rules are there at the first boot. The default rules of
dom0 send INPUT through RH-Firewall-1-INPUT, which ends in REJECT.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from xspack_tool.rpm.scriptlets.firewall_rules import FirewallRule

#: Where packages keep a copy of their rules; each owns the folder.
RULES_FOLDER = "/usr/share/xspack"

#: An awk program over a saved file, read twice. In its environment: CHAIN, and RULES (lines; empty: take out).
_EDIT = r"""
function bare(line) { sub(/^\[[0-9]+:[0-9]+\] /, "", line); return line }
function ours(line) {
    line = bare(line) " "
    return index(line, ":" chain " ") == 1 || index(line, "-A " chain " ") == 1 ||
        (line ~ /^-A / && index(line, " -j " chain " "))
}
function hook() { if (rules != "" && !hooked) { print "-A " into " -j " chain; hooked = 1 } }
function declare() { if (rules != "" && !declared) { print ":" chain " - [0:0]"; declared = 1 } }
BEGIN { chain = ENVIRON["CHAIN"]; rules = ENVIRON["RULES"]; into = "INPUT"; filter = 0 }
NR == FNR { if (index($0, ":RH-Firewall-1-INPUT ") == 1) into = "RH-Firewall-1-INPUT"; next }
/^\*/ { filter = ($0 == "*filter"); seen = seen || filter }
filter && ours($0) { next }
filter && !/^[*:#]/ { declare() }
filter && bare($0) ~ ("^-A " into " -j (REJECT|DROP)") { hook() }
filter && $0 == "COMMIT" { hook(); if (rules != "") print rules; filter = 0 }
{ print }
END {
    if (rules != "" && !seen) {
        print "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]"
        declare(); hook(); print rules; print "COMMIT"
    }
}
"""

_FUNCTIONS = """\
    chain={chain}
    saved=/etc/sysconfig/iptables
    edit_saved() {{ # $1: the rules of the chain in the saved file's form, or nothing to take the chain out
        cp -p "$saved" "$saved.$chain" &&
            CHAIN=$chain RULES=$1 awk '{awk}' "$saved" "$saved" > "$saved.$chain" &&
            mv -f "$saved.$chain" "$saved" && return 0
        rm -f "$saved.$chain"
        echo "$saved could not be edited for $chain" >&2
        return 1
    }}
"""

_POST = """\
(
{functions}\
    rules=$(cat <<'END_OF_RULES'
{saved_rules}
END_OF_RULES
)
    fill() {{
        iptables -N "$chain" 2>/dev/null || iptables -F "$chain" || return 1
{adds}
        into=RH-Firewall-1-INPUT
        iptables -n -L "$into" >/dev/null 2>&1 || into=INPUT
        iptables -C "$into" -j "$chain" 2>/dev/null && return 0
        place=$(iptables -S "$into" | awk '$1 == "-A" {{ n++ }}
            $1 == "-A" && $3 == "-j" && ($4 == "REJECT" || $4 == "DROP") && !at {{ at = n }}
            END {{ print at ? at : n + 1 }}')
        iptables -I "$into" "$place" -j "$chain"
    }}
    if [ ! -f "$saved" ]; then
        echo "$saved is not there: no rules to add those of $chain to" >&2
    elif ! iptables-restore < "$saved" 2>/dev/null; then
        edit_saved "$rules"
    elif fill; then
        # Without /proc, as in a bare chroot, iptables-save says nothing and reports success.
        cp -p "$saved" "$saved.$chain" && iptables-save > "$saved.$chain" &&
            grep -q "^:$chain " "$saved.$chain" && mv -f "$saved.$chain" "$saved" || edit_saved "$rules"
    elif runlevel >/dev/null 2>&1; then
        iptables-restore < "$saved"
        echo "iptables did not take the rules of $chain: none was added" >&2
    else
        iptables-restore < "$saved" 2>/dev/null
        edit_saved "$rules"
    fi
) || :
"""

#: The older version's file is gone when this runs: where there is none, the newer version opens nothing any more.
_POSTUN = """\
(
{functions}\
    take_out() {{
        for into in RH-Firewall-1-INPUT INPUT; do
            while iptables -D "$into" -j "$chain" 2>/dev/null; do :; done
        done
        iptables -F "$chain" 2>/dev/null && iptables -X "$chain"
        [ ! -f "$saved" ] || edit_saved ''
    }}
    if [ "$1" = 0 ]; then
        take_out
    elif [ ! -e {rules_file} ]; then
        take_out
    fi
) || :
"""


def chain_name(name: str) -> str:
    """The chain of a package: at most 28 characters, as the kernel has room for."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    if len(plain) > 23 or plain != name:
        plain = f"{plain[:14]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"pack-{plain}"


def rules_file(name: str, rules: Sequence[FirewallRule]) -> tuple[str, str]:
    """The path and text of the file by which the older version of a package knows that the newer one has rules."""
    text = "".join(f"{rule.for_saved_file}\n" for rule in rules)
    return f"{RULES_FOLDER}/{chain_name(name)}.iptables", f"# The rules of {name} in iptables.\n{text}"


def iptables_scripts(name: str, rules: Sequence[FirewallRule]) -> dict[str, str]:
    """The parts of post and postun for the rules of a package."""
    chain = chain_name(name)
    functions = _FUNCTIONS.format(chain=chain, awk=_EDIT)
    adds = "\n".join(f'        iptables -A "$chain" {rule.for_shell} || return 1' for rule in rules)
    saved_rules = "\n".join(f"-A {chain} {rule.for_saved_file}" for rule in rules)
    return {
        "post": _POST.format(functions=functions, adds=adds, saved_rules=saved_rules),
        "postun": _POSTUN.format(functions=functions, rules_file=rules_file(name, rules)[0]),
    }
