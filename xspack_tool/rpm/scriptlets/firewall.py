"""Scriptlets that open the firewall for a package: which kind, by the release's firewall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from xspack_tool.errors import Problem
from xspack_tool.rpm.scriptlets.firewall_rules import FirewallRule, parse_rules
from xspack_tool.rpm.scriptlets.firewalld import firewalld_problems, firewalld_scripts, service_file
from xspack_tool.rpm.scriptlets.iptables import iptables_scripts, rules_file

Firewall = Literal["iptables", "firewalld"]


def firewall_problems(rules: Sequence[object], firewall: Firewall = "iptables") -> list[Problem]:
    """What is wrong with the rules as ``firewall=`` of a declaration."""
    read, problems = parse_rules("firewall", rules)
    return problems + (firewalld_problems(read) if firewall == "firewalld" else [])


def firewall_scripts(name: str, rules: Sequence[str], firewall: Firewall = "iptables") -> dict[str, str]:
    """The scriptlet parts that put the rules in, and take them out on last removal.

    ``name`` is the package's; ``rules`` are such that :func:`firewall_problems` finds nothing.
    """
    read = _read(rules)
    if not read:
        return {}
    return firewalld_scripts(name) if firewall == "firewalld" else iptables_scripts(name, read)


def firewall_files(name: str, rules: Sequence[str], firewall: Firewall = "iptables") -> list[tuple[str, str]]:
    """The files (path, text) that the package must hold for :func:`firewall_scripts`. It owns the folder of one in
    RULES_FOLDER."""
    read = _read(rules)
    if not read:
        return []
    return [service_file(name, read) if firewall == "firewalld" else rules_file(name, read)]


def _read(rules: Sequence[str]) -> list[FirewallRule]:
    return parse_rules("firewall", rules)[0]
