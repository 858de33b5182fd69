"""P6: users and groups that files belong to."""

from __future__ import annotations

import functools

from xspack_tool.model.dependency import Dependency
from xspack_tool.releases.packages import relation
from xspack_tool.rpm.info import RpmInfo
from xspack_tool.rules.context import PackContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, pack_rule
from xspack_tool.rules.shell.scriptlets import shell_scriptlets

#: Those of the package ``setup`` of Enterprise Linux 7 to 10, and of packages that every dom0 has.
_USERS_WORDS = (
    "root bin daemon adm lp sync shutdown halt mail operator games ftp nobody dbus sshd rpc rpcuser nfsnobody polkitd"
    " systemd-network chrony ntp tss"
)
_GROUPS_WORDS = (
    "root bin daemon sys adm tty disk lp mem kmem wheel cdrom mail man dialout floppy games tape video ftp lock audio"
    " nobody users utmp utempter dbus sshd ssh_keys rpc rpcuser nfsnobody polkitd systemd-journal systemd-network"
    " input render kvm chrony ntp tss"
)
USERS, GROUPS = frozenset(_USERS_WORDS.split()), frozenset(_GROUPS_WORDS.split())
_ADDS_USER = frozenset({"useradd", "adduser", "luseradd"})
_ADDS_GROUP = frozenset({"groupadd", "addgroup", "lgroupadd"})
_SYSUSERS = ("/usr/lib/sysusers.d/", "/etc/sysusers.d/")
#: Options of useradd by which it makes no group of the user's name.
_NO_GROUP = ("-N", "-g", "--gid", "--no-user-group")


@pack_rule(
    "P6",
    "W",
    meaning="a file belongs to a user or group that neither the release nor the pack makes: rpm gives it to root",
    remedy="declare it with users= or groups=, or make it in %pre, before the files are laid (useradd, groupadd)",
    bad="/opt/acme/secret of acme:acme, and no useradd in %pre",
    good="%pre\ngetent passwd acme >/dev/null || useradd -r -s /sbin/nologin acme || :",
)
def known_owners(context: PackContext) -> Hits:
    made_by = functools.cache(lambda: [_made(info, early=False) for info in context.rpms])
    for at, info in enumerate(context.rpms):
        if _brings_sysusers(info) or all(file.owner in USERS and file.group in GROUPS for file in info.files):
            continue  # most packages: no script is read for them
        early, later = _made(info, early=True), made_by()
        others = [made for n, made in enumerate(later) if n != at]
        users, groups = (early[kind].union(*(made[kind] for made in others)) for kind in (0, 1))
        said = set()
        for file in info.files:
            for kind, name, known in (
                ("user", file.owner, users | USERS),
                ("group", file.group, groups | GROUPS),
            ):
                if name in known or (kind, name) in said or _released(context, kind, name):
                    continue
                said.add((kind, name))
                late = " early enough" if name in later[at][kind == "group"] else ""
                text = f"it belongs to the {kind} {name!r}, which nothing makes{late}"
                yield Hit(file.path, text, rpm=info.file_name)


def _released(context: PackContext, kind: str, name: str) -> bool:
    """Whether a package of the release or of the pack says so, as rpm 4.19 generates it of sysusers.d."""
    wanted = relation(Dependency(f"{kind}({name})"))
    if context.package_set is not None:
        return context.package_set.is_provided(wanted)
    return any(one.name == wanted.name for info in context.rpms for one in info.provides)


def _brings_sysusers(info: RpmInfo) -> bool:
    """What a file in sysusers.d says is not read here; it is there for its users."""
    return any(file.path.startswith(_SYSUSERS) for file in info.files)


def _made(info: RpmInfo, early: bool) -> tuple[frozenset[str], frozenset[str]]:
    """The users and groups that the scriptlets add, ``early``: those that run before the files are laid."""
    users: set[str] = set()
    groups: set[str] = set()
    for scriptlet in shell_scriptlets(info):
        if early and scriptlet.phase not in ("pretrans", "pre"):
            continue
        for command in scriptlet.script.commands:
            if command.name in _ADDS_USER and command.operands:
                users.add(command.operands[-1])
                if not any(arg.startswith(_NO_GROUP) for arg in command.args):
                    groups.add(command.operands[-1])
            elif command.name in _ADDS_GROUP and command.operands:
                groups.add(command.operands[-1])
            elif command.name == "systemd-sysusers":
                for line in "\n".join(one.body for one in command.redirects).splitlines():
                    words = line.split()
                    if len(words) > 1 and words[0] in ("u", "u!", "g"):
                        groups.add(words[1])
                        users |= {words[1]} if words[0] != "g" else set()
    return frozenset(users), frozenset(groups)
