"""``env.Userspace``: programs, configuration and services of the vendor's."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec.structs import replace

from xspack_tool.kinds import validators
from xspack_tool.kinds.base import Field, PackageKind, listed
from xspack_tool.kinds.modprobe import MODPROBE, place_modprobe
from xspack_tool.kinds.package_declaration import PackageDeclaration
from xspack_tool.model.package import Package
from xspack_tool.plan.package import Contents, PlannedRpm, plan_package
from xspack_tool.plan.sources import nodes_of
from xspack_tool.rpm.scriptlets.migrate import migrate_problems, migrate_script
from xspack_tool.rpm.scriptlets.units import unit_problems, unit_scripts


class Userspace(PackageKind):
    """Programs and their configuration as an RPM."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        **PackageKind.FIELDS,
        "systemd_units": Field(
            "unit files, enabled when installed", None, validators.FILES, example='["acme.service"]'
        ),
        "udev_rules": Field(
            "files for /etc/udev/rules.d", None, validators.FILES, example='["70-acme.rules"]'
        ),
        "firewall": Field(
            "rules of iptables, such as '-p tcp --dport 5900 -j ACCEPT'",
            None,
            validators.TEXTS,
            example='["-p tcp --dport 5900 -j ACCEPT"]',
        ),
        "migrate": Field(
            "files and folders that a release upgrade carries over from the previous installation",
            None,
            validators.TEXTS,
            example='["/etc/acme.conf", "/var/lib/acme"]',
            expands=True,
        ),
        "status_report": Field(
            "what xen-bugtool collects: env.XsStatusReport(..)",
            None,
            validators.REPORTS,
            example='env.XsStatusReport("acme", pii="no", files=["/var/log/acme.log"])',
        ),
        "logrotate": Field(
            "files for /etc/logrotate.d; an ending .logrotate is left away",
            None,
            validators.FILES,
            example='["acme.logrotate"]',
        ),
        "modprobe": MODPROBE,
        "debuginfo": Field(
            "True for stripped programs and an RPM of their debug data beside it; no pack holds it",
            False,
            validators.FLAG,
            example="True",
        ),
    }

    def fill(self, declaration: PackageDeclaration) -> None:
        migrate, firewall = listed(self.given["migrate"]), listed(self.given["firewall"])
        declaration.problems += migrate_problems(migrate)
        if firewall:
            from xspack_tool.rpm.scriptlets.firewall import firewall_problems

            declaration.problems += firewall_problems(firewall, declaration.profile.firewall)
        self._status_report(declaration)
        units = self._below(declaration, "systemd_units", "/usr/lib/systemd/system", role="")
        declaration.problems += unit_problems(units)
        self._below(declaration, "udev_rules", "/etc/udev/rules.d", role="config")
        self._below(declaration, "logrotate", "/etc/logrotate.d", role="config")
        place_modprobe(declaration, self.given["modprobe"])
        if self.given["debuginfo"] and self.given["arch"] == "noarch":
            rule = "a package without an architecture has no programs to take debug data from"
            declaration.problem("debuginfo", True, rule, "leave out arch= or debuginfo=")
        if declaration.problems:
            return
        # State comes over first, so that what is enabled then finds it.
        self._scripts(declaration, "migrate", migrate_script(migrate, self.name))
        self._scripts(declaration, "systemd_units", unit_scripts(units, self.name))
        if firewall:
            self._open(declaration, firewall)

    def plan(self, package: Package, contents: Contents) -> Any:
        planned = PlannedRpm(package.identity, self.target, self.place, waive=self.waived())
        target, debug = self.given["target"], bool(self.given["debuginfo"])
        return plan_package(self.env, package, contents, planned, target, self.report, debug=debug)

    def _open(self, declaration: PackageDeclaration, rules: Sequence[str]) -> None:
        """Have the firewall opened by scriptlets and files, as the release takes them."""
        from xspack_tool.rpm.scriptlets.firewall import firewall_files, firewall_scripts
        from xspack_tool.rpm.scriptlets.iptables import RULES_FOLDER

        way = declaration.profile.firewall
        self._scripts(declaration, "firewall", firewall_scripts(self.name, rules, way))
        for path, text in firewall_files(self.name, rules, way):
            declaration.text(path, text, field="firewall")
            if posixpath.dirname(path) == RULES_FOLDER:
                declaration.folder(RULES_FOLDER, field="firewall")

    def _scripts(self, declaration: PackageDeclaration, field: str, scripts: Mapping[str, str]) -> None:
        for phase, text in scripts.items():
            declaration.script(phase, text, field=field)

    def _status_report(self, declaration: PackageDeclaration) -> None:
        for report in listed(self.given["status_report"]):
            from xspack_tool.rpm.scriptlets.status_report import FOLDER, render

            named = report if report.name else replace(report, name=self.name)
            declaration.problems += named.problems()
            if not named.problems():
                for path, text in render(named):
                    declaration.text(path, text, field="status_report")
                # Left behind empty, it would be a category that collects nothing.
                declaration.folder(f"{FOLDER}/{named.category}", field="status_report")

    def _below(self, declaration: PackageDeclaration, field: str, folder: str, *, role: Any) -> list[str]:
        """Place each file of a field in its folder; the names they get there."""
        names = []
        for node in nodes_of(self.env, listed(self.given[field])):
            name = posixpath.basename(str(node))
            name = name.removesuffix(".logrotate") if field == "logrotate" else name
            declaration.file(f"{folder}/{name}", node, field=field, role=role)
            names.append(name)
        return names
