"""The small values that declarations are made of: ``env.XsFile``, ``env.XsStatusReport``, ``env.XsRule`` and others."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from SCons.Util import flatten

from xspack_tool.errors import DeclarationError, Problem
from xspack_tool.kinds import validators
from xspack_tool.model.syntax import nearest
from xspack_tool.plan.ddk import Ddk, ddk_paths, ddk_problems, installed_trees
from xspack_tool.plan.keys import test_key
from xspack_tool.plan.session import session, user_place
from xspack_tool.plan.settings import with_settings
from xspack_tool.plan.sources import XsConfig, XsDir, XsFile, XsLink, XsPatch
from xspack_tool.rpm.scriptlets.accounts import Account
from xspack_tool.rpm.scriptlets.status_report import Directory, ReportCommand, StatusReport


def _of_texts(words: str, most: int, kind: type) -> validators.Validator:
    """A text, a value of ``kind``, a tuple that makes one, or a list of these."""

    def holds(value: Any) -> bool:
        if isinstance(value, tuple):
            return 1 <= len(value) <= most and all(isinstance(one, (str, bool)) for one in value)
        return isinstance(value, (str, kind))

    return validators.Validator(
        words, lambda value: all(map(holds, value if isinstance(value, list) else [value]))
    )


_VALIDATORS: dict[str, dict[str, validators.Validator]] = {
    "XsFile": {"source": validators.FILES},
    "XsDir": {"source": validators.FILES},
    "XsConfig": {"source": validators.FILES, "noreplace": validators.FLAG, "missingok": validators.FLAG},
    "XsLink": {"target": validators.TEXT},
    "XsUser": {
        **dict.fromkeys(("name", "group", "home", "shell", "comment"), validators.TEXT),
        "groups": validators.TEXTS,
    },
    "XsStatusReport": {
        "category": validators.TEXT,
        "files": validators.TEXTS,
        "directories": _of_texts("a path, or (path, pattern), or a list of them", 3, Directory),
        "commands": _of_texts("a command, or (command, label), or a list of them", 2, ReportCommand),
        "pii": validators.TEXT,
        "mime": validators.TEXT,
        "name": validators.TEXT,
        "checked": validators.FLAG,
        "hidden": validators.FLAG,
        "extends": validators.FLAG,
    },
    "Ddk": {
        "tree": validators.PATH,
        **dict.fromkeys(("host", "image", "grid", "release"), validators.TEXT),
        **dict.fromkeys(("identity", "known_hosts", "root", "inbox"), validators.PATH),
        **dict.fromkeys(("port", "jobs", "deadline"), validators.NUMBER),
        "platform": validators.TEXT_TABLE,
    },
    "XsPatch": {"source": validators.FILE, "flaw": validators.TEXT, "effect": validators.TEXT},
    "XsRule": dict.fromkeys(("id", "severity", "meaning", "remedy", "on", "bad", "good"), validators.TEXT),
}


def call(
    name: str, helper: Callable[..., Any], env: Any, words: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """What ``env.<name>(..)`` gives; None, and the mistakes noted, where its arguments are of a wrong type."""
    words, options = validators.settled(words), validators.settled(options)
    try:
        bound = signature(helper).bind(env, *words, **options).arguments
    except TypeError as error:
        problems = [Problem("", "", str(error), f"see its arguments: {signature(helper)}")]
    else:
        chosen = {key: value for key, value in bound.get("options", {}).items() if value is not None}
        known = _VALIDATORS.get(name, {})
        problems = validators.text_problems(name, [*words, *options.values()])
        for key, value in {**bound, **chosen}.items():
            if key in known and value != "":
                parameter = signature(helper).parameters.get(key)
                needed = parameter is not None and parameter.default is parameter.empty
                problems += known[key].problems(key, value, needed=needed)
    if not problems:
        return helper(with_settings(env), *words, **options)
    session().problems.extend(problem.at(user_place(), f"env.{name}") for problem in problems)
    return None


def xs_file(env: Any, source: Any, **options: Any) -> Any:
    """A payload file with ``mode``, ``owner`` or ``group`` of its own; of a folder, all files in it, and the folder can
    be entered by all who may read them."""
    return _value(XsFile, "XsFile", source, options)


def xs_dir(env: Any, source: Any = None, **options: Any) -> Any:
    """A payload folder with ``mode``, ``owner`` or ``group`` of its own: an empty one, or ``source`` and the folders in
    it. Its files get no more than the folder's mode, or ``file_mode``."""
    return _value(XsDir, "XsDir", source, options)


def xs_config(env: Any, source: Any, **options: Any) -> Any:
    """A configuration file with ``noreplace=False`` (an upgrade puts its own in the place of a changed one) or
    ``missingok=True`` (it may be absent), with ``mode``, ``owner`` or ``group``."""
    return _value(XsConfig, "XsConfig", source, options)


def xs_link(env: Any, target: str) -> XsLink:
    """A symbolic link of the payload."""
    return XsLink(target)


def xs_user(env: Any, name: str, **options: Any) -> Any:
    """A system user: its first ``group`` (one of its own name), further ``groups``, ``home``, ``shell`` and
    ``comment``."""
    if "groups" in options:
        options["groups"] = tuple(flatten([options["groups"]]))
    return _value(Account, "XsUser", name, options)


def xs_status_report(env: Any, category: str, **options: Any) -> Any:
    """What xen-bugtool collects: ``files``, ``directories`` (a path, or (path, pattern)), ``commands`` (a command, or
    (command, label)); ``pii`` says whether personal data may be in it: no, if_customized, maybe or yes."""
    for name, kind in (("files", str), ("directories", Directory), ("commands", ReportCommand)):
        given = options.pop(name, None)
        if given is not None:
            values = (
                given if isinstance(given, list) or (kind is str and isinstance(given, tuple)) else [given]
            )
            options[name] = tuple(_made(kind, value) for value in values)
    return _value(StatusReport, "XsStatusReport", category, options)


def _made(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    return kind(*value) if isinstance(value, tuple) else kind(value)


def xs_ddk(env: Any, tree: Any = "", **options: Any) -> Any:
    """A kit: a kernel build tree here, or a machine (``host``), a folder (``root``), an image or a ``grid`` of them."""
    ddk = _value(Ddk, "Ddk", tree, options)
    problems = ddk_problems(env, ddk)
    session().problems.extend(
        problem.at(user_place(), f"Ddk {str(tree or ddk.host or ddk.root or ddk.image or ddk.grid)!r}")
        for problem in problems
    )
    return ddk if problems else ddk_paths(env, ddk)


def xs_patch(env: Any, source: Any, **options: Any) -> Any:
    """A late fix: its patch, the ``flaw``, the ``effect`` of it, and whether it was ``seen_by_customers``."""
    return _value(XsPatch, "XsPatch", source, options)


def xs_rule(
    env: Any,
    id: str,
    severity: str,
    *,
    meaning: str,
    remedy: str,
    check: Callable[..., Any],
    on: str = "rpm",
    wants: Callable[..., bool] | None = None,
    bad: str = "",
    good: str = "",
) -> None:
    """Add a rule. ``check(context)`` yields a Hit for each breach: with ``on="rpm"`` the context is one RPM, with
    ``"pack"`` the pack; with ``"member"`` it is called with each file for which ``wants(context, file)`` holds."""
    from xspack_tool.rules.registry import Rule, all_rules, register

    places = {"rpm": "on_rpm", "pack": "on_pack", "member": "on_member"}
    if on not in places:
        problem = Problem("on", on, "not a place where a rule looks", f"use one of {', '.join(places)}")
        session().problems.append(problem.at(user_place(), f"XsRule {id!r}"))
        return
    all_rules()  # so that an id of ours is known to be taken
    try:
        rule = register(Rule(id, severity, meaning, remedy, bad, good, wants=wants, **{places[on]: check}))  # type: ignore[arg-type]
    except DeclarationError as error:
        session().problems.extend(problem.at(user_place(), f"XsRule {id!r}") for problem in error.problems)
    else:
        session().rules.append(rule)


def _value(kind: Any, name: str, first: Any, options: dict[str, Any]) -> Any:
    """A value of ``kind``; unknown options are mistakes of the user's."""
    known = list(kind.__struct_fields__)[1:]
    problems = [
        Problem(key, value, "unknown keyword", nearest(key, known) or f"the keywords are {', '.join(known)}")
        for key, value in options.items()
        if key not in known
    ]
    session().problems.extend(problem.at(user_place(), f"{name} {str(first)!r}") for problem in problems)
    return kind(first, **{key: value for key, value in options.items() if key in known})


def xs_kernel_trees(env: Any) -> list[str]:
    """The kernel build trees that are installed here, the newest kernel's last."""
    return installed_trees()


def xs_test_key(env: Any, name: str) -> Any:
    """A throwaway key, made once."""
    return test_key(env, name, user_place())
