"""firewalld: a service file of the package's own, enabled with the offline command or the running daemon.

Sources: firewalld.service(5), firewall-offline-cmd(1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from xspack_tool.errors import Problem
from xspack_tool.rpm.scriptlets.firewall_rules import FirewallRule

#: Options of rules that a service file can say, or that say nothing more.
_SAYABLE_WORDS = (
    "-p --protocol --proto -m --match --dport --destination-port --dports --destination-ports -j --jump"
    " --ctstate --state"
)
_SAYABLE = frozenset(_SAYABLE_WORDS.split())
_MATCHES = frozenset({"tcp", "udp", "sctp", "dccp", "multiport", "conntrack", "state"})

_POST = """\
if firewall-cmd --state >/dev/null 2>&1; then
    firewall-cmd -q --reload || :
    [ "$1" != 1 ] || firewall-cmd -q --permanent --add-service={service} || :
    firewall-cmd -q --reload || :
elif [ "$1" = 1 ]; then
    firewall-offline-cmd -q --add-service={service} || echo "firewalld did not take the service {service}" >&2
fi
"""

_PREUN = """\
if [ "$1" = 0 ]; then
    zones_with() {{ # reads a list of all zones: those that have the service
        awk '/^[^ ]/ {{ zone = $1 }} $1 == "services:" && index($0 " ", " {service} ") {{ print zone }}'
    }}
    if firewall-cmd --state >/dev/null 2>&1; then
        for zone in $(firewall-cmd --permanent --list-all-zones | zones_with); do
            firewall-cmd -q --permanent --zone="$zone" --remove-service={service} || :
        done
    else
        for zone in $(firewall-offline-cmd --list-all-zones | zones_with); do
            firewall-offline-cmd -q --zone="$zone" --remove-service-from-zone={service} || :
        done
    fi
fi
"""

#: The older version's file is gone when this runs: where there is none, the newer version opens nothing any more.
#: Neither command takes a service out of a zone that has no file.
_POSTUN = """\
if [ "$1" != 0 ] && [ ! -e /usr/lib/firewalld/services/{service}.xml ]; then
    for zone in /etc/firewalld/zones/*.xml; do
        [ ! -f "$zone" ] || sed -i '/<service name="{service}"\\/>/d' "$zone" || :
    done
    if firewall-cmd --state >/dev/null 2>&1; then
        firewall-cmd -q --reload || :
    fi
fi
if [ "$1" = 0 ] && firewall-cmd --state >/dev/null 2>&1; then
    firewall-cmd -q --reload || :
fi
"""


def service_name(name: str) -> str:
    """The name of a package's service."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def firewalld_problems(rules: Sequence[FirewallRule]) -> list[Problem]:
    """Rules that a service file cannot say: all but opening ports or protocols to everyone."""
    remedy = "open ports with -p tcp --dport N -j ACCEPT, or ship a firewalld policy of your own in files="
    return [
        Problem("firewall", rule.for_shell, "a firewalld service opens ports or protocols, no more", remedy)
        for rule in rules
        if not _is_sayable(rule)
    ]


def firewalld_scripts(name: str) -> dict[str, str]:
    """The parts of post, preun and postun."""
    service = service_name(name)
    return {
        phase: text.format(service=service)
        for phase, text in (("post", _POST), ("preun", _PREUN), ("postun", _POSTUN))
    }


def service_file(name: str, rules: Sequence[FirewallRule]) -> tuple[str, str]:
    """The path and text of the service's file."""
    lines = dict.fromkeys(line for rule in rules for line in _elements(rule))
    body = "\n".join(f"  {line}" for line in lines)
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<service>\n'
        f"  <short>{service_name(name)}</short>\n{body}\n</service>\n"
    )
    return f"/usr/lib/firewalld/services/{service_name(name)}.xml", text


def _elements(rule: FirewallRule) -> list[str]:
    # Imported here: it brings half of the standard library along, and few trees need it.
    from xml.sax.saxutils import quoteattr

    protocol = quoteattr(rule.value("-p", "--protocol", "--proto").lower())
    ports = rule.value("--dport", "--destination-port", "--dports", "--destination-ports")
    if not ports:
        return [f"<protocol value={protocol}/>"]
    return [
        f"<port protocol={protocol} port={quoteattr(port.replace(':', '-'))}/>" for port in ports.split(",")
    ]


def _is_sayable(rule: FirewallRule) -> bool:
    pairs = list(zip(rule.words[::2], rule.words[1::2], strict=False))
    matches = {value for option, value in pairs if option in ("-m", "--match")}
    return (
        len(rule.words) % 2 == 0
        and {option for option, _ in pairs} <= _SAYABLE
        and matches <= _MATCHES
        and rule.value("-j", "--jump") == "ACCEPT"
        and bool(rule.value("-p", "--protocol", "--proto"))
        and all("NEW" in value for option, value in pairs if option in ("--ctstate", "--state"))
    )
