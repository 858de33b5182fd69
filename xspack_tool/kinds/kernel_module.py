"""``env.KernelModule``: a driver, compiled by kbuild against the kit of the release it is for."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec.structs import replace
from SCons.Util import NodeList

from xspack_tool.ddk.compiler import differ
from xspack_tool.ddk.request import SOURCES, KbuildRequest
from xspack_tool.ddk.source_rpm import DriverSource
from xspack_tool.ddk.variant import INFO, Variant
from xspack_tool.errors import Problem
from xspack_tool.kinds import validators
from xspack_tool.kinds.base import REQUIRED, Field, PackageKind, listed
from xspack_tool.kinds.dkms import read_dkms
from xspack_tool.kinds.driver_inputs import prepare_commands, signing_pair, source_folder, symbols_of
from xspack_tool.kinds.kits import KITS
from xspack_tool.kinds.modprobe import MODPROBE, place_modprobe
from xspack_tool.kinds.package_declaration import PackageDeclaration
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.driver import DriverNotes
from xspack_tool.model.package import FileEntry, Package
from xspack_tool.model.profile import Profile
from xspack_tool.plan.compile_elsewhere import plan_modules_elsewhere
from xspack_tool.plan.ddk import Kit, Unasked, compiler_of, kit_folders, kits_of
from xspack_tool.plan.driver_sources import driver_items, running_kernel_lines
from xspack_tool.plan.modules import (
    ModulePlan,
    Modules,
    SigningPair,
    claim_modules,
    plan_info,
    plan_modules,
    plan_note,
)
from xspack_tool.plan.node_record import own_record, record_of
from xspack_tool.plan.package import Contents, PlannedRpm, broken_package, plan_package
from xspack_tool.plan.session import session
from xspack_tool.plan.source_rpm import SourcePlan, complete_source_rpm, plan_source_rpm
from xspack_tool.plan.sources import Folders, TreeItem, whole_problems
from xspack_tool.rpm.scriptlets.driver import driver_scripts

#: The object with a variant's note among the sources.
_NOTE = "xspack-note.o"
#: How the text of a licence is called at the top of a source tree.
_LICENCE = re.compile(r"(COPYING|LICEN[CS]E)([.-].*)?", re.IGNORECASE)


class KernelModule(PackageKind):
    """A driver as an RPM for each kit: its modules, compiled out of a source folder."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        **PackageKind.FIELDS,
        "source": Field(
            "folder with the driver's sources and its Kbuild or Makefile",
            REQUIRED,
            validators.FILE,
            example='env.Dir("driver")',
        ),
        "ddk": Field(
            "kernel build tree or env.Ddk(..), or several of them (or $XSPACK_DDK)",
            None,
            KITS,
            example='"kernel"',
        ),
        "module_dir": Field(
            "folder below /lib/modules/<kernel> (or the profile's: updates)",
            None,
            validators.TEXT,
            example='"extra"',
            expands=True,
        ),
        "kernel_in_name": Field(
            "True for the historic name <name>-modules-<flavour>-<kernel>",
            False,
            validators.FLAG,
            example="True",
        ),
        "flavour": Field("the flavour in such a name", "xen", validators.TEXT, example='"xen"', expands=True),
        "kbuild_dir": Field(
            "folder or folders of the sources with a Kbuild or Makefile, in building order",
            "",
            validators.TEXTS,
            example='["core", "nic"]',
        ),
        "make_variables": Field(
            "make variable -> value", None, validators.PLAIN_TABLE, example='{"BUILD": "release"}'
        ),
        "kconfig": Field(
            "CONFIG_ switch, without CONFIG_ -> y, m, n or a number",
            None,
            validators.PLAIN_TABLE,
            example='{"ACME_NIC": "m", "ACME_QUEUES": 4}',
        ),
        "prepare": Field(
            "script, or command of the sources, that is run on a copy of them before kbuild; or several",
            None,
            validators.FILES,
            example='"configure.sh"',
        ),
        "modules": Field(
            "names of the modules to package, of those that are built",
            None,
            validators.TEXTS,
            example='["acme_nic"]',
        ),
        "exclude": Field(
            "names of the modules that are built and not packaged",
            None,
            validators.TEXTS,
            example='["acme_test"]',
        ),
        "dkms": Field(
            "dkms.conf that says version, source, kbuild_dir and the like",
            None,
            validators.FILE,
            example='"dkms.conf"',
        ),
        "extra_symbols": Field(
            "drivers, or Module.symvers files, whose symbols the modules use",
            None,
            validators.FILES,
            example='["Module.symvers"]',
        ),
        "firmware": Field(
            "name that the driver asks for -> firmware file",
            None,
            validators.FILE_TABLE,
            example='{"acme/nic.bin": "nic.bin"}',
        ),
        "modprobe": MODPROBE,
        "debuginfo": Field(
            "True for an RPM of debug data beside it; no pack holds it",
            False,
            validators.FLAG,
            example="True",
        ),
        "sign_key": Field(
            "[private key, certificate] that sign the modules: files, the key also 'pkcs11:token=..;object=..'",
            None,
            validators.FILES,
            example='["modules.key", "modules.crt"]',
        ),
        "compiler_prefix": Field("ccache or distcc", "", validators.TEXT, example='"ccache"'),
        "variant": Field(
            "name of this variant, for releases that let administrators select one: 'generic'",
            None,
            validators.TEXT,
            example='"generic"',
        ),
        "driver": Field(
            "name of the driver that it is a variant of (or the RPM's, without -<variant>)",
            None,
            validators.TEXT,
            example='"acme-nic"',
        ),
        "priority": Field(
            "of several variants, the installer proposes that of the highest",
            0,
            validators.NUMBER,
            example="50",
        ),
        "status": Field(
            "state of development of a variant", "production", validators.TEXT, example='"production"'
        ),
        "category": Field(
            "kind of a variant's devices: network, storage, ..",
            "network",
            validators.TEXT,
            example='"network"',
        ),
    }

    def __init__(self, env: Any, name: str, given: dict[str, Any], place: Any) -> None:
        self._dkms, problems = read_dkms(env, given.get("dkms"))
        super().__init__(env, name, self._dkms.with_given(given), place)
        self.note(problems)
        #: The kit of one RPM, and the folder below rpms/ that tells it from others of its name.
        self._kit: Kit | None = None
        self._folder = ""
        self._capability = ""

    # One RPM for each kit

    def declare(self) -> Any:
        kits = self._kits()
        if kits is None:
            return broken_package(self.env, self.name)
        if not kits:
            self.is_complete = False
            return super().declare()
        nodes = NodeList()
        for kit, folder in self._with_folders(kits):
            variant = copy.copy(self)
            variant.env, variant.problems = kit.for_env(self.env), list(self.problems)
            variant._kit, variant._folder = kit, folder
            if self.given["kernel_in_name"]:
                variant._capability = f"{self.name}-modules"
                variant.name = f"{variant._capability}-{self.given['flavour']}-{kit.kernel}".replace("+", "_")
            nodes += PackageKind.declare(variant)
        return nodes

    def _kits(self) -> list[Kit] | None:
        """The kits, none where one of them is wrong; None where one is not to be asked in this run."""
        kits = kits_of(self.env, self.given["ddk"])
        if any(isinstance(kit, Unasked) for kit in kits):
            return None
        problems = [kit for kit in kits if isinstance(kit, Problem)]
        if not kits:
            rule = "modules are compiled against the kernel of the release"
            problems.append(Problem("ddk", None, rule, "set XSPACK_DDK, or give ddk=, a kernel build tree"))
        self.note(problems)
        return [] if problems else [kit for kit in kits if isinstance(kit, Kit)]

    def _with_folders(self, kits: list[Kit]) -> list[tuple[Kit, str]]:
        """The kits, each with a folder below rpms/ where file names alone do not tell the RPMs of several apart; the
        first alone where nothing does."""
        kernels = {kit.kernel for kit in kits}
        if len(kits) == 1 or (self.given["kernel_in_name"] and len(kernels) == len(kits)):
            return [(kit, "") for kit in kits]
        folders = kit_folders(kits)
        if isinstance(folders, Problem):
            self.note([folders])
            return [(kits[0], "")]
        return folders

    # The RPM of one kit

    def fill(self, declaration: PackageDeclaration) -> None:
        kit, request = self._kit, self._request()
        folder = source_folder(declaration, self.given["source"])
        commands, scripts = prepare_commands(declaration, self.given["prepare"])
        request = replace(request, prepare=commands)
        declaration.problems += request.problems()
        if kit is None or folder is None:
            return
        request = self._dkms.request(request, kit.kernel)
        variant = self._variant(declaration)
        self._foretell(kit.kernel, declaration.profile)
        config = kit.tree.config if kit.tree else None
        declaration.problems += self._dkms.problems(kit.kernel, kit.arch, config)
        self._relate(declaration, kit.kernel, is_variant=variant is not None)
        for name, value in (self.given["firmware"] or {}).items():
            declaration.add("firmware", f"/lib/firmware/updates/{kit.kernel}/{name.lstrip('/')}", value)
        place_modprobe(declaration, self.given["modprobe"])
        symbols = symbols_of(declaration, self.given["extra_symbols"], kit)
        self._items = [*_items_of(declaration, folder), *scripts]
        below = self.given["module_dir"] or declaration.profile.module_dirs[0]
        if variant:
            below, request = variant.place, self._with_note(request, variant, kit.arch)
        self._place = f"/lib/modules/{kit.kernel}/{below}"
        driver = DriverSource(
            kit.kernel,
            self._place,
            request,
            len(symbols),
            debug=bool(self.given["debuginfo"]),
            expected=self._dkms.modules,
        )
        self._source = SourcePlan(driver, self._items, symbols)
        declaration.problems += claim_modules(
            self.env, self._module_place(), kit.kernel, self.place, self.target
        )
        sign = signing_pair(declaration, self.given["sign_key"])
        compilers = self._compile(declaration, kit, request, symbols, sign)
        if not declaration.problems:
            declaration.archive(self._place, self._modules.tar, field="source")
            if variant:
                info = plan_info(self.env, self._module_place(), variant, self._modules.tar)
                declaration.file(f"{self._place}/{INFO}", info, field="variant", mode=0o644)
        # Asked when everything was read: a statement that comes later may build a Makefile.
        self._notes = lambda: DriverNotes(
            running_kernel_lines(self.env, self._items),
            compilers if compilers and differ(*compilers) else (),
            self._dkms.not_run,
        )

    def _relate(self, declaration: PackageDeclaration, kernel: str, is_variant: bool) -> None:
        """What the RPM requires and provides, and its scriptlets."""
        declaration.relate("requires", Dependency("kernel-uname-r", "=", kernel))
        declaration.relate("provides", "vendor-driver")
        if self._capability:
            version = f"{self.given['version']}-{self.given['release']}"
            epoch = f"{self.given['epoch']}:" if self.given["epoch"] else ""
            declaration.relate("provides", Dependency(self._capability, "=", epoch + version))
        if is_variant:
            return  # it is in effect once it is selected: until then there is nothing for depmod to know
        for field in ("requires_post", "requires_postun"):
            declaration.relate(field, "/usr/sbin/depmod")
        for phase, text in driver_scripts(kernel).items():
            declaration.script(phase, text, field="source")

    def _with_note(self, request: KbuildRequest, variant: Variant, arch: str) -> KbuildRequest:
        """The request of a variant, whose note is linked into each module."""
        note = plan_note(self.env, self._module_place(), variant, arch)
        self._items.append(TreeItem(_NOTE, note))
        linked = f"{request.make_variables.get('LDFLAGS_MODULE', '')} {SOURCES}/{_NOTE}".strip()
        # flat: driver-tool looks for info.json beside each module.
        return replace(
            request, make_variables={**request.make_variables, "LDFLAGS_MODULE": linked}, flat=True
        )

    def _variant(self, declaration: PackageDeclaration) -> Variant | None:
        """What is selected on hosts of this release; None where its modules are in effect once they are installed."""
        given = self.given
        if not given["variant"] or not declaration.profile.multi_version_drivers:
            return None
        name = self._capability.removesuffix("-modules") or self.name
        driver = given["driver"] or name.removesuffix(f"-{given['variant']}")
        variant = Variant(
            driver=driver,
            version=str(given["version"]),
            variant=given["variant"],
            category=given["category"],
            description=given["summary"] or driver,
            priority=given["priority"],
            status=given["status"],
        )
        declaration.problems += variant.problems()
        kernel = self._kit.kernel if self._kit else ""
        claimed = session().claim_variant(f"{kernel} {variant.place}", self.place, self.target)
        declaration.problems += claimed
        return variant

    def _compile(
        self,
        declaration: PackageDeclaration,
        kit: Kit,
        request: KbuildRequest,
        symbols: tuple[Any, ...],
        sign: SigningPair | None,
    ) -> tuple[str, ...]:
        """Have the modules compiled, where the kit is; the versions of the kernel's compiler and of theirs, as far as
        they are known."""
        if kit.facts:
            if not declaration.problems:
                self._modules = plan_modules_elsewhere(
                    self.env,
                    self._module_place(),
                    self._source,
                    kit,
                    prefix=self.given["compiler_prefix"],
                    sign=sign,
                )
            return (kit.facts.kernel_compiler, kit.facts.compiler)
        assert kit.tree is not None  # a kit is elsewhere, or a tree of this machine
        compiler = compiler_of(self.env, kit.tree, request.make_variables, self.given["compiler_prefix"])
        if isinstance(compiler, Problem):
            declaration.problems.append(compiler)
        if declaration.problems or isinstance(compiler, Problem):
            return ()
        plan = ModulePlan(
            kit.tree,
            request,
            symbols,
            compiler,
            self._dkms.modules,
            bool(self.given["debuginfo"]),
            sign,
        )
        self._modules = plan_modules(self.env, self._module_place(), self._items, plan)
        return (kit.tree.compiler, compiler.version)

    def _foretell(self, kernel: str, profile: Profile) -> None:
        """Say before anything is compiled what rule K5 will find."""
        if not profile.kernels or kernel in profile.kernels or "K5" in (self.given["waive"] or {}):
            return
        known = ", ".join(profile.kernels)
        told = f"K5: {profile.title} runs {known}, not {kernel}; no pack for it takes these modules"
        session().at_start.append(lambda: print(f"xspack: {self.place}: {self.target}: {told}"))

    def _module_place(self) -> list[str]:
        return [*([self._folder] if self._folder else []), self.name]

    def plan(self, package: Package, contents: Contents) -> Any:
        kit = self._kit
        assert kit is not None  # else the declaration is broken, and nothing is planned
        planned = PlannedRpm(
            package.identity,
            self.target,
            self.place,
            self.waived(),
            holds_modules=True,
            kit=kit,
            folder=self._folder,
            capability=self._capability,
            notes=self._notes,
        )
        source = plan_source_rpm(self.env, package, contents, self._source, planned, self.report)
        target = self.given["target"]
        nodes = plan_package(self.env, package, contents, planned, target, self.report)
        for node in nodes:
            own_record(node).symvers = self._modules.symvers
            own_record(node).source_rpm = source
        if self._modules.debuginfo is not None:
            nodes += self._debuginfo(package, planned, self._modules)
        return nodes

    def complete(self, nodes: Any, package: Package, contents: Contents, folders: Folders) -> list[Problem]:
        source = record_of(nodes[0]).source_rpm
        assert source is not None  # plan() made it
        complete_source_rpm(source, package, contents, self._source, folders)
        return super().complete(nodes, package, contents, folders)

    def _debuginfo(self, package: Package, planned: PlannedRpm, modules: Modules) -> Any:
        """The RPM of debug data, where gdb and crash look for it."""
        of_the_driver = ("requires", "requires_post", "requires_postun", "provides", "conflicts", "obsoletes")
        none: dict[str, Any] = dict.fromkeys((*of_the_driver, "scripts"), ())
        apart = replace(
            package,
            name=f"{package.name}-debuginfo",
            summary=f"Debug data of {package.name}",
            entries=(FileEntry(f"/usr/lib/debug{self._place}", "archive", source="debug"),),
            automatic_dependencies=False,
            **none,
        )
        planned = replace(planned, identity=apart.identity, is_debuginfo=True, capability="")
        return plan_package(self.env, apart, {"debug": modules.debuginfo}, planned, None, self.report)

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "arch": self.given["arch"] or (self._kit.arch if self._kit else self.ARCH),
        }

    def licence_texts(self) -> list[Any]:
        """Those that are given, and those at the top of the sources."""
        found = [
            item.node for item in self._items if item.node is not None and _LICENCE.fullmatch(item.relative)
        ]
        return [*super().licence_texts(), *found]

    def _request(self) -> KbuildRequest:
        given = self.given
        return KbuildRequest(
            kbuild_dirs=tuple(map(str, listed(given["kbuild_dir"]))),
            make_variables={str(key): str(value) for key, value in (given["make_variables"] or {}).items()},
            config={str(key): str(value) for key, value in (given["kconfig"] or {}).items()},
            modules=tuple(listed(given["modules"])),
            exclude=tuple(listed(given["exclude"])),
        )


def _items_of(declaration: PackageDeclaration, folder: Any) -> list[TreeItem]:
    """The sources of a driver. What links lead to outside its folder is looked at once more when everything was
    read."""
    items, problems = driver_items(declaration.env, "source", folder)
    outside = [item.node for item in items if item.node is not None and not item.node.is_under(folder)]
    declaration.problems += problems
    declaration.late_checks.append(
        lambda: [problem for node in outside for problem in whole_problems("source", node)]
    )
    return items
