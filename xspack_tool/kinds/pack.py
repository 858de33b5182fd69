"""``env.Pack``: the signed ISO that hosts take."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from SCons.Util import NodeList

from xspack_tool.errors import Problem
from xspack_tool.kinds import validators
from xspack_tool.kinds.base import REQUIRED, WAIVE, Field, Kind, listed
from xspack_tool.kinds.releases import nowhere, packages_for, release_label, release_requirements
from xspack_tool.model.dependency import Dependency, parse_dependency
from xspack_tool.model.pack import Pack as PackModel
from xspack_tool.model.pack import Rollup, make_volume_id
from xspack_tool.plan.keys import SigningKey, key_check, signing_key
from xspack_tool.plan.node_record import own_record, record_of
from xspack_tool.plan.pack import PackInputs, plan_pack
from xspack_tool.plan.profile import profile_of, release_problems
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import file_problems, nodes_of


class Pack(Kind):
    """A supplemental pack or, where it holds kernel modules, a driver disk: one signed ISO."""

    ALIAS: ClassVar[str] = "pack"
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "version": Field("version of the pack", REQUIRED, validators.TEXT, example='"5.2"', expands=True),
        "uuid": Field(
            "uuid of this version of this pack",
            REQUIRED,
            validators.TEXT,
            unless="releases",
            example='"9a1f0f0e-4bd1-4bb3-8a5e-0f2f8b6b5d11"',
            expands=True,
        ),
        "releases": Field(
            "instead of uuid=: release -> uuid, for a pack of each",
            None,
            validators.TEXT_TABLE,
            example='{"xenserver-8": "9a1f0f0e-4bd1-4bb3-8a5e-0f2f8b6b5d11"}',
        ),
        "description": Field(
            "one line that administrators see",
            REQUIRED,
            validators.TEXT,
            example='"Acme drivers and agent"',
            expands=True,
        ),
        "packages": Field(
            "packages that the pack holds", REQUIRED, validators.FILES, example="[driver, agent]"
        ),
        "key": Field(
            "armoured public key file; its secret key must be in the keyring",
            None,
            validators.FILE,
            unless="unsigned",
            example='"RPM-GPG-KEY-Acme"',
        ),
        "unsigned": Field(
            "True with key=None: a pack for trying out, which no host takes",
            False,
            validators.FLAG,
            example="True",
        ),
        "requires": Field(
            "base requirement, such as 'product-version >= 8.2.0'",
            None,
            validators.DEPENDENCIES,
            example='["product-version >= 8.2.0"]',
            expands=True,
        ),
        "after_apply": Field(
            "guidance: restartXAPI, restartHost, restartPV, restartHVM",
            None,
            validators.TEXTS,
            example='["restartHost"]',
        ),
        "precheck": Field(
            "script that hosts run before the pack is applied", None, validators.FILE, example='"precheck.sh"'
        ),
        "remove": Field(
            "True for a script that removes the pack again, for administrators, or one of your own",
            None,
            validators.FLAG_OR_FILE,
            example="True",
        ),
        "rollups": Field(
            "older packs that this one replaces: uuids, or uuid -> label",
            None,
            validators.ROLLUPS,
            example='["2f1c7a52-5c0e-4f43-9a61-7d8e9f0a1b2c"]',
        ),
        "enforce_homogeneity": Field(
            "True if all hosts of a pool must have it", False, validators.FLAG, example="True"
        ),
        "driver_disk": Field(
            "True: offered to the host installer as drivers, too; as any pack with a kernel module is",
            None,
            validators.FLAG,
            example="True",
        ),
        "volume_id": Field(
            "volume id of the ISO (or made from label and version)",
            None,
            validators.TEXT,
            example='"ACME_SUITE"',
            expands=True,
        ),
        "vendor": Field("vendor (or $XSPACK_VENDOR)", None, validators.TEXT, example='"Acme"', expands=True),
        "target": Field(
            "file to write instead of $XSPACK_OUT/<label>-<version>.iso",
            None,
            validators.FILE,
            example='"#build/acme.iso"',
        ),
        "waive": WAIVE,
    }

    def declare(self) -> Any:
        packages = self._packages()
        releases: Mapping[str, str] = self.given["releases"] or {}
        if not releases:
            return self._named(self._declare(packages))
        if self.given["uuid"]:
            rule = "releases= has the uuid of each pack"
            self.problems.append(Problem("uuid", self.given["uuid"], rule, "leave uuid= out"))
        if not any(release_problems(self.env, "releases", name) for name in releases):
            lost = nowhere(self.env, packages, releases)
            self.problems += lost.values()
            packages = [node for node in packages if node not in lost]
        isos = [iso for name, uuid in releases.items() for iso in self._of(name, uuid, packages)]
        return self._named(NodeList(isos))

    def _named(self, isos: Any) -> Any:
        """The ISOs, each knowing the name that its declaration has."""
        for iso in isos:
            own_record(iso).pack_name = self.name
        return isos

    def _of(self, release: str, uuid: str, packages: list[Any]) -> Any:
        """The pack of one of several releases."""
        pack = copy.copy(self)
        if wrong := release_problems(self.env, "releases", release):
            self.report([*self.problems, *wrong])
            return []
        pack.env = self.env.Override({"XSPACK_TARGET": release})
        profile = profile_of(pack.env)
        packages, problems = packages_for(pack.env, packages)
        pack.problems = [*self.problems, *problems]
        pack.name, pack.given = release_label(self.name, profile.name), {**self.given, "uuid": uuid}
        pack._added = release_requirements(profile, pack._requires())
        return pack._declare(packages)

    def _declare(self, packages: list[Any]) -> Any:
        self._same_names(packages)
        key = self._key()
        scripts = {"precheck": self._script("precheck"), "remove": self._remove(packages)}
        pack = self._model(packages, key, scripts)
        broken = [node for node in packages if record_of(node).is_broken]
        session().current.needs += broken
        self.note(pack.problems())
        if pack.uuid:
            self.problems += session().claim_uuid(pack.uuid, self.place, self.target)
        waive = self.waived()
        if self.problems or broken:
            self.report(self.problems)
            return []
        inputs = PackInputs(packages, key, scripts["precheck"], scripts["remove"], waive)
        return plan_pack(self.env, pack, inputs, self.place, self.target, self.given["target"], self.report)

    #: What the pack of a release requires besides what the user says.
    _added: Sequence[Dependency] = ()

    def _model(self, packages: list[Any], key: SigningKey | None, scripts: Mapping[str, Any]) -> PackModel:
        given = self.given
        version = str(given["version"] or "")
        modules = any((built := record_of(node).rpm) and built.holds_modules for node in packages)
        return PackModel(
            label=self.name,
            version=version,
            uuid=str(given["uuid"] or ""),
            description=str(given["description"] or ""),
            key=key.name if key else "",
            requires=(*self._requires(), *self._added),
            after_apply=tuple(listed(given["after_apply"])),
            rollups=self._rollups(),
            enforce_homogeneity=bool(given["enforce_homogeneity"]),
            driver_disk=(modules or None) if given["driver_disk"] is None else bool(given["driver_disk"]),
            has_precheck=scripts["precheck"] is not None,
            has_remove=scripts["remove"] is not None,
            volume_id=given["volume_id"] or make_volume_id(self.name, version, cut=False),
            vendor=given["vendor"] or self.preset("XSPACK_VENDOR"),
        )

    def _packages(self) -> list[Any]:
        """The RPM nodes that the user names, found through Install and Alias as well."""
        rpm_nodes: dict[Any, None] = {}
        for node in nodes_of(self.env, listed(self.given["packages"])):
            rpms = list(_rpms_behind(node))
            if rpms:
                session().checks.append(functools.partial(_is_whole, node, rpms))
            rpm_nodes.update(dict.fromkeys(rpms))
            if not rpms:
                rule = "not a package of xspack"
                remedy = "name what env.Userspace and the like return, or a path below their statement"
                self.problems.append(Problem("packages", str(node), rule, remedy))
        if not rpm_nodes:
            self.note([Problem("packages", [], "a pack must have packages", "name at least one package")])
        return [node for node in rpm_nodes if not ((built := record_of(node).rpm) and built.is_debuginfo)]

    def _same_names(self, packages: list[Any]) -> None:
        names: dict[tuple[str, str], Any] = {}
        for node in packages:
            built = record_of(node).rpm
            if built is None:
                continue
            identity = built.identity
            other = names.setdefault((identity.name, identity.arch), built)
            if other is built:
                continue
            rule = f"{identity.name}.{identity.arch} comes twice, from {other.target} and {built.target}"
            remedy = "keep one version of it"
            if other.kit != built.kit:
                rule = f"{identity.name}.{identity.arch} is built for several kits, under one name"
                remedy = "give it kernel_in_name=True, or make a pack of each release: releases={release: uuid, ..}"
            self.note([Problem("packages", identity.name, rule, remedy)])

    def _key(self) -> SigningKey | None:
        if self.given["key"] is None:
            if not self.given["unsigned"]:
                rule = "no host takes a pack without a key"
                remedy = "name the public key file, use env.TestKey(..), or say unsigned=True"
                self.problems.append(Problem("key", None, rule, remedy))
            return None
        key, problems = signing_key(self.env, self.given["key"])
        self.problems += problems
        if key is not None:
            session().checks.append(key_check(self.env, key))
        return key

    def _script(self, field: str) -> Any:
        if self.given[field] is None:
            return None
        node = nodes_of(self.env, self.given[field])[0]
        session().checks.append(functools.partial(file_problems, field, node))
        return node

    def _remove(self, packages: list[Any]) -> Any:
        """The remove script: the user's own, True for one of ours, None for none."""
        if self.given["remove"] not in (True, False, None):
            return self._script("remove")
        if self.given["remove"] and any(
            (built := record_of(node).rpm) and built.holds_modules for node in packages
        ):
            rule = "a pack with kernel modules must not be removable (R1)"
            self.problems.append(Problem("remove", True, rule, "leave remove= out, or make two packs"))
        return True if self.given["remove"] else None

    def _requires(self) -> tuple[Dependency, ...]:
        parsed = [parse_dependency("requires", value) for value in listed(self.given["requires"])]
        self.problems += [one for one in parsed if isinstance(one, Problem)]
        return tuple(one for one in parsed if isinstance(one, Dependency))

    def _rollups(self) -> tuple[Rollup, ...]:
        value = self.given["rollups"] or []
        pairs = value.items() if isinstance(value, Mapping) else [(uuid, self.name) for uuid in listed(value)]
        return tuple(
            sorted((Rollup(str(uuid), str(label)) for uuid, label in pairs), key=lambda one: one.uuid)
        )


def _is_whole(node: Any, rpms: list[Any]) -> list[Problem]:
    """A check, for after reading, that what stands for packages still stands for the same ones."""
    more = [rpm for rpm in _rpms_behind(node) if rpm not in rpms]
    rule = "it got more packages after the pack was declared"
    return [Problem("packages", str(node), f"{rule}: {rpm}", "declare the pack after them") for rpm in more]


def _rpms_behind(node: Any) -> list[Any]:
    """The RPM nodes of ours that a node is, was installed from, or is an alias of."""
    if record_of(node).rpm or record_of(node).is_broken:
        return [node]
    return [rpm for source in node.sources for rpm in _rpms_behind(source)]
