"""``env.KernelModule``: a driver, compiled by kbuild against the kit of the release it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from xspack_tool.ddk.request import KbuildRequest
from xspack_tool.ddk.tree import KernelTree
from xspack_tool.errors import Problem
from xspack_tool.kinds import shape
from xspack_tool.kinds.base import REQUIRED, Field, PackageKind, listed
from xspack_tool.kinds.draft import Draft
from xspack_tool.model.dependency import Dependency
from xspack_tool.model.package import Package
from xspack_tool.plan.ddk import compiler_of, tree_of
from xspack_tool.plan.modules import ModulePlan, plan_modules
from xspack_tool.plan.package import Built, plan_package
from xspack_tool.plan.sources import is_dir, nodes_of
from xspack_tool.rpm.scriptlets.driver import driver_scripts


class KernelModule(PackageKind):
    """A driver as an RPM: its modules, compiled out of a source folder."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        **PackageKind.FIELDS,
        "source": Field("folder with the driver's sources and its Kbuild or Makefile", REQUIRED, shape.FILE),
        "ddk": Field("kernel build tree (or $XSPACK_DDK)", None, shape.PATH),
        "module_dir": Field(
            "folder below /lib/modules/<kernel> (or the profile's: updates)", None, shape.TEXT
        ),
        "kernel_in_name": Field(
            "True for the historic name <name>-modules-<flavour>-<kernel>", False, shape.FLAG
        ),
        "flavour": Field("the flavour in such a name", "xen", shape.TEXT),
        "kbuild_dir": Field(
            "folder or folders of the sources with a Kbuild or Makefile, in building order", "", shape.TEXTS
        ),
        "make_variables": Field("make variable -> value", None, shape.PLAIN_TABLE),
        "kconfig": Field("CONFIG_ switch, without CONFIG_ -> y, m, n or a number", None, shape.PLAIN_TABLE),
        "extra_symbols": Field(
            "drivers, or Module.symvers files, whose symbols the modules use", None, shape.FILES
        ),
        "compiler_prefix": Field("ccache or distcc", "", shape.TEXT),
    }

    def declare(self) -> Any:
        tree = tree_of(self.env, self.given["ddk"])
        if tree is None:
            rule = "modules are compiled against the kernel of the release"
            tree = Problem("ddk", None, rule, "set XSPACK_DDK, or give ddk=, a kernel build tree")
        if isinstance(tree, Problem):
            self.note([tree])
            self.is_complete = False
        else:
            self._tree: KernelTree = tree
            if self.given["kernel_in_name"]:
                self.name = f"{self.name}-modules-{self.given['flavour']}-{tree.kernel}".replace("+", "_")
        return super().declare()

    def fill(self, draft: Draft) -> None:
        kernel = self._tree.kernel
        request = self._request()
        draft.problems += request.problems()
        sources = self._sources(draft)
        draft.relate("requires", Dependency("kernel-uname-r", "=", kernel))
        draft.relate("provides", "vendor-driver")
        for field in ("requires_post", "requires_postun"):
            draft.relate(field, "/usr/sbin/depmod")
        for phase, text in driver_scripts(kernel).items():
            draft.script(phase, text, field="source")
        compiler = compiler_of(self.env, self._tree, request.make_variables, self.given["compiler_prefix"])
        if isinstance(compiler, Problem):
            draft.problems.append(compiler)
        if draft.problems or isinstance(compiler, Problem):
            return
        plan = ModulePlan(self._tree, request, self._symbols(draft), compiler)
        self._modules = plan_modules(self.env, self.name, sources, plan)
        folder = self.given["module_dir"] or draft.profile.module_dirs[0]
        draft.archive(f"/lib/modules/{kernel}/{folder}", self._modules.tar, field="source")

    def plan(self, package: Package, inputs: list[Any]) -> Any:
        built = Built(
            package.identity, self.target, self.place, self.waived(), holds_modules=True, tree=self._tree
        )
        nodes = plan_package(self.env, package, inputs, built, self.given["target"], self.report)
        for node in nodes:
            node.attributes.xspack_symvers = self._modules.symvers
        return nodes

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "arch": self.given["arch"] or (self._tree.arch if self.is_complete else self.ARCH),
        }

    def _request(self) -> KbuildRequest:
        given = self.given
        return KbuildRequest(
            kbuild_dirs=tuple(map(str, listed(given["kbuild_dir"]))),
            make_variables={str(key): str(value) for key, value in (given["make_variables"] or {}).items()},
            config={str(key): str(value) for key, value in (given["kconfig"] or {}).items()},
        )

    def _symbols(self, draft: Draft) -> tuple[Any, ...]:
        """The Module.symvers of each driver, or file, whose symbols are used."""
        nodes = nodes_of(self.env, listed(self.given["extra_symbols"]))
        for node in nodes:
            draft.need("extra_symbols", node)
        return tuple(getattr(node.attributes, "xspack_symvers", node) for node in nodes)

    def _sources(self, draft: Draft) -> Any:
        nodes = nodes_of(self.env, self.given["source"])
        if len(nodes) != 1 or not is_dir(nodes[0]) or not nodes[0].srcnode().exists():
            rule = "a driver has one source folder, with its Kbuild or Makefile"
            draft.problem(
                "source", str(nodes[0]) if nodes else None, rule, 'name it: source=env.Dir("driver")'
            )
        return nodes[0] if nodes else None
