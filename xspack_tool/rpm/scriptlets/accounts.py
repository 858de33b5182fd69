"""Users and groups that a package's files belong to: made before the files are laid, which rpm gives to root
otherwise. They stay when the package is removed, as those of all packages do: files of theirs may be left."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from msgspec import Struct

from xspack_tool.errors import Problem
from xspack_tool.model.syntax import ACCOUNT, check_one_line

_GROUP = (
    "getent group {name} >/dev/null || groupadd -r {name} || echo 'the group {name} could not be made' >&2\n"
)
_USER = (
    "getent passwd {name} >/dev/null || useradd -r -M -g {group}{more} -d {home} -s {shell}{comment} {name} ||\n"
    "    echo 'the user {name} could not be made' >&2\n"
)
#: The programs of the scriptlet.
PROGRAMS = ("/usr/sbin/groupadd", "/usr/sbin/useradd")


class Account(Struct, frozen=True):
    """A system user. ``group`` is its first group, one of its own name where none is given; ``groups`` are more."""

    name: str
    group: str = ""
    groups: tuple[str, ...] = ()
    home: str = "/"
    shell: str = "/sbin/nologin"
    comment: str = ""

    @property
    def first_group(self) -> str:
        """The group that files of the user's have."""
        return self.group or self.name


def account_problems(users: Sequence[Account], groups: Sequence[object]) -> list[Problem]:
    """What is wrong with the accounts as ``users=`` and ``groups=`` of a declaration."""
    problems = []
    rule, remedy = (
        "an account's name must be small letters, digits and _ . -, 32 at most",
        "choose such a name",
    )
    named: list[tuple[str, object]] = [("users", user.name) for user in users]
    named += [
        ("users", group) for user in users for group in (user.first_group, *user.groups) if group != user.name
    ]
    for field, name in [*named, *(("groups", group) for group in groups)]:
        if not isinstance(name, str) or not ACCOUNT.fullmatch(name):
            problems.append(Problem(field, name, rule, remedy))
    for user in users:
        for path in (user.home, user.shell):
            if not path.startswith("/") or path != shlex.quote(path):
                problems.append(
                    Problem(
                        "users",
                        path,
                        "must be an absolute path without special characters",
                        "begin it with /",
                    )
                )
        if user.comment:
            problems += check_one_line("users", user.comment)
        if ":" in user.comment or '"' in user.comment:
            problems.append(
                Problem("users", user.comment, "a comment must not hold : or quotes", "reword it")
            )
    names = [user.name for user in users]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(Problem("users", name, "named twice", "keep one of them"))
    return problems


def account_scripts(users: Sequence[Account], groups: Sequence[str]) -> dict[str, str]:
    """The part of pre that makes those which are not there yet."""
    text = "".join(_GROUP.format(name=name) for name in _all_groups(users, groups))
    for user in users:
        text += _USER.format(
            name=user.name,
            group=user.first_group,
            more=f" -G {','.join(user.groups)}" if user.groups else "",
            home=user.home,
            shell=user.shell,
            comment=f" -c {shlex.quote(user.comment)}" if user.comment else "",
        )
    return {"pre": text} if text else {}


def sysusers_file(name: str, users: Sequence[Account], groups: Sequence[str]) -> tuple[str, str]:
    """The path and text of the package's file in sysusers.d, by which systemd makes them anew where /etc was lost."""
    lines = [f"g {group} -" for group in _all_groups(users, groups)]
    for user in users:
        lines.append(f'u {user.name} -:{user.first_group} "{user.comment}" {user.home} {user.shell}')
        lines += [f"m {user.name} {group}" for group in user.groups]
    return f"/usr/lib/sysusers.d/{name}.conf", "".join(f"{line}\n" for line in lines)


def _all_groups(users: Sequence[Account], groups: Sequence[str]) -> list[str]:
    """The groups to make: those that are named, and the first ones of users; further groups of a user's are the
    release's unless they are named."""
    return sorted({*groups, *(user.first_group for user in users)})
