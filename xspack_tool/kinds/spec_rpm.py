"""``env.SpecRpm``: RPMs from a spec of the user's own."""

from __future__ import annotations

import copy
import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import SCons.Script
from SCons.Util import NodeList

from xspack_tool.ddk.remote import Reached, RemoteFacts, build_remote, read_dist
from xspack_tool.errors import Problem, StepError
from xspack_tool.kinds import validators
from xspack_tool.kinds.base import WAIVE, Field, Kind, listed
from xspack_tool.kinds.kits import KITS
from xspack_tool.model.package import Identity
from xspack_tool.plan.ddk import Kit, Unasked, kernel_of, kit_folders, kits_of
from xspack_tool.plan.modules import tell_warnings
from xspack_tool.plan.node_record import own_record
from xspack_tool.plan.outputs import journal_of, remove_older
from xspack_tool.plan.package import PlannedRpm, broken_package, rpm_nodes
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.read_cache import file_state, read_cached
from xspack_tool.plan.scons import built_above
from xspack_tool.plan.session import session
from xspack_tool.plan.settings import out_path, source_date_epoch
from xspack_tool.plan.sources import file_problems, nodes_of, pointer_problems
from xspack_tool.plan.step import Named, Step, add_step
from xspack_tool.plan.tools import version_of
from xspack_tool.plan.writer import RPMBUILD
from xspack_tool.rpm.build_requires import NOT_FOUND, rpm_knows_machine
from xspack_tool.rpm.kernel_macros import kernel_macros
from xspack_tool.rpm.user_spec import (
    BUILD_SHELL,
    SpecMacros,
    build_spec,
    lacking_build_requires,
    plain_name,
    query_spec,
    source_spec_name,
    spec_time,
    write_spec_source,
)

#: What our own rpmbuild is told, too: no debug packages and no links of build ids, which no pack holds.
BUILD_LIKE_HERE = (
    "--define=debug_package %{nil}",
    "--define=_build_id_links none",
    "--define=_wrong_version_format_terminate_build 0",
    "--define=_buildhost xspack",
    "--define=use_source_date_epoch_as_buildtime 1",
    "--define=clamp_mtime_to_source_date_epoch 1",
    f"--define=_buildshell {BUILD_SHELL}",
)
NO_BRP = "--define=__os_install_post %{nil}"
#: What rpm takes as a macro's name, with the options that it may have.
_MACRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}(\([^()\s]*\))?")


class SpecStep(Step, frozen=True):
    """What rpmbuild makes of a spec, its sources and macro files."""

    uses: ClassVar[tuple[str, ...]] = RPMBUILD
    modes: ClassVar[tuple[str, ...]] = ("spec", "sources")

    release_macros: str
    defines: dict[str, str]
    #: What the spec and its sources are called: rpmbuild looks for them by these.
    names: tuple[str, ...]
    payload: str
    brp: bool
    epoch: int | None

    def macros(self, inputs: Named) -> SpecMacros:
        """What the spec finds besides rpm's own macros."""
        files = tuple(path.read_bytes() for path in inputs.macros)
        return SpecMacros(self.release_macros, files, tuple(self.defines.items()), self.payload, self.brp)

    def check(self, inputs: Named) -> None:
        """Raise StepError if the spec makes other RPMs than were planned. Those of a spec that was read while planning
        are known."""


class NamedRpms(SpecStep, frozen=True, kw_only=True):
    """Of a spec whose RPMs the declaration names, since the spec is built."""

    rpms: tuple[Identity, ...]

    def check(self, inputs: Named) -> None:
        _check_names(self, self.rpms, inputs)


def _check_names(step: SpecStep, rpms: Sequence[Identity], inputs: Named) -> None:
    made = {
        Identity(**identity) for identity, _ in query_spec(inputs.spec, inputs.sources, step.macros(inputs))
    }
    if made != set(rpms):
        named = ", ".join(f'"{rpm_text(one)}"' for one in sorted(made, key=rpm_text))
        raise StepError(f"{inputs.spec.name} makes other RPMs than rpms= names; write rpms=[{named}]")


class BuildSpec(SpecStep, frozen=True):
    """The RPMs that rpmbuild makes of a spec."""

    label: ClassVar[str] = "SpecRpm"
    shown: ClassVar[str] = "terminal"
    version: ClassVar[int] = 3
    unkeyed: ClassVar[tuple[str, ...]] = ("failed", "jobs", "nodeps")

    #: Where a failed build leaves what it was made of.
    failed: Path
    jobs: int
    nodeps: bool

    def run(self, inputs: Named, outputs: Named) -> None:
        self.check(inputs)
        macros = self.macros(inputs)
        nodeps = self.nodeps or not rpm_knows_machine()
        if nodeps and (lacking := lacking_build_requires(inputs.spec, inputs.sources, macros)):
            # Before it is built: that may take an hour.
            tell_warnings(inputs.spec.stem, f"warning: {NOT_FOUND} on this machine: {', '.join(lacking)}")
        said = build_spec(
            inputs.spec,
            inputs.sources,
            macros,
            outputs.rpms,
            failed=self.failed,
            source_date_epoch=self.epoch,
            jobs=self.jobs,
            nodeps=nodeps,
        )
        tell_warnings(inputs.spec.stem, said)


class BuildNamedRpms(BuildSpec, frozen=True, kw_only=True):
    """The same of a spec that is built."""

    rpms: tuple[Identity, ...]

    def check(self, inputs: Named) -> None:
        _check_names(self, self.rpms, inputs)


class WriteSpecSource(SpecStep, frozen=True):
    """The source RPM of a spec."""

    label: ClassVar[str] = "SourceRpm"

    def run(self, inputs: Named, outputs: Named) -> None:
        macros = self.macros(inputs)
        write_spec_source(inputs.spec, inputs.sources, macros, outputs.rpm, source_date_epoch=self.epoch)


class BuildSpecRemotely(Step, frozen=True):
    """The RPMs that the rpmbuild of a kit on another machine makes of a spec's source RPM."""

    label: ClassVar[str] = "Remote"
    version: ClassVar[int] = 2
    unkeyed: ClassVar[tuple[str, ...]] = ("remote", "facts", "cache_file", "failed", "nodeps")

    #: What the kit is; not where it is.
    kit: dict[str, str]
    #: Of rpmbuild there, besides the macro files.
    spec: SpecStep
    remote: Reached
    facts: RemoteFacts
    cache_file: Path
    #: Where a failed build leaves what it was made of.
    failed: Path
    nodeps: bool

    def run(self, inputs: Named, outputs: Named) -> None:
        self.spec.check(inputs)
        macros = self.spec.macros(inputs)
        shutil.rmtree(self.failed, ignore_errors=True)
        said = build_remote(
            self.remote,
            self.facts,
            inputs.source_rpm,
            outputs.rpms,
            time=spec_time(inputs.spec, inputs.sources, macros, self.spec.epoch),
            cache_file=self.cache_file,
            failed=self.failed,
            options=[
                *macros.as_options(),
                *BUILD_LIKE_HERE,
                f"--define=_binary_payload {macros.payload}",
                *([] if macros.brp else [NO_BRP]),
                *(["--nodeps"] if self.nodeps else []),
            ],
        )
        tell_warnings(inputs.spec.stem, said)


class SpecRpm(Kind):
    """The RPMs that rpmbuild makes of a spec: each sub-package is a node, debuginfo is left out.

    Of macros it knows rpm's own, those that the release's kernel-devel brings (``kernel_version``, ``module_dir``,
    ``regenerate_initrd_post`` and the like), those of ``macros`` and ``defines``, and none of the build machine's;
    one that is left in a scriptlet is an error (rule S8). BuildRequires that are not there are an error before %prep
    where rpm's database knows the machine that builds, as on EL; on others, as Debian, whose packages have other names,
    those that are not found by name are told, and stop nothing.

    With a kit of ``ddk`` these macros have its values; a kit on another machine builds the RPMs with its own rpmbuild,
    for which its own macros count less. Several kits make the RPMs of each. %{dist} is the kit's, if it is elsewhere,
    else the release's.

    A spec is read while the SConstruct is, to know which RPMs it makes. One that the build makes (``env.Substfile``),
    or of which it makes macro files or sources that the spec reads, names them: ``rpms=["acme-1.0-1.x86_64.rpm"]``, the
    main package first.
    """

    FIELDS: ClassVar[Mapping[str, Field]] = {
        "sources": Field(
            "files that the spec names as Source and Patch",
            None,
            validators.FILES,
            example='["acme-stack-1.0.tar.gz", "fix.patch"]',
        ),
        "macros": Field(
            "macro files, as rpm reads them; a later one counts more",
            None,
            validators.FILES,
            example='["acme.macros"]',
        ),
        "defines": Field(
            "macro -> body, of one line or several; they count most",
            None,
            validators.PLAIN_TABLE,
            example='{"kernel_version": "4.19.0+1"}',
        ),
        "ddk": Field(
            "kernel build tree or env.Ddk(..) for whose kernel it is, or several; one elsewhere builds it",
            None,
            KITS,
            example='"kernel"',
        ),
        "rpms": Field(
            "file names of the RPMs that a spec makes which is built itself, the main package's first; "
            "with an epoch 'acme-1:1.0-1.noarch.rpm'",
            None,
            validators.TEXTS,
            example='["acme-stack-1-1.x86_64.rpm"]',
        ),
        "brp": Field(
            "False: rpm's own steps after %install (strip, compress) are left out",
            True,
            validators.FLAG,
            example="False",
        ),
        "nodeps": Field(
            "True: BuildRequires that rpm's database does not have stop nothing",
            None,
            validators.FLAG,
            example="True",
        ),
        "waive": WAIVE,
    }

    def __init__(self, env: Any, name: Any, given: dict[str, Any], place: Any) -> None:
        super().__init__(env, str(name), given, place)
        self.spec = nodes_of(env, name)[0]
        #: The kit of its RPMs, and the folder below rpms/ that tells them from those of other kits.
        self._kit: Kit | None = None
        self._folder = ""
        #: With which sources rpmspec was asked for RPMs and their source, and what it said.
        self._asked_with: list[Path] = []
        self._answers: list[Any] = []

    def declare(self) -> Any:
        answers = [] if self.problems or not self.given["ddk"] else kits_of(self.env, self.given["ddk"])
        if any(isinstance(kit, Unasked) for kit in answers):
            return NodeList()
        wrong = [kit for kit in answers if isinstance(kit, Problem)]
        kits = [kit for kit in answers if isinstance(kit, Kit)]
        folders = kit_folders(kits) if len(kits) > 1 else [(kit, "") for kit in kits]
        if isinstance(folders, Problem):
            wrong.append(folders)
        if wrong or isinstance(folders, Problem):
            self.problems += wrong
            return self._declare()
        nodes = NodeList()
        for kit, folder in folders:
            for_kit = copy.copy(self)
            for_kit.env, for_kit.problems = kit.for_env(self.env), list(self.problems)
            for_kit._kit, for_kit._folder = kit, folder
            nodes += for_kit._declare()
        return nodes if folders else self._declare()

    def _declare(self) -> Any:
        """The RPMs for one kit, or for none."""
        problems = [*self.problems, *self._problems()]
        made: list[tuple[Identity, tuple[str, ...]]] = []
        session().need("rpmbuild", "RPMs")
        if self.given["brp"] is not False:
            # Without one of them rpm's step would leave all as it is, and say nothing.
            for program in ("file", "strip"):
                session().need(program, "what rpm does after %install")
        if session().need("rpmspec", "specs") and not problems:
            try:
                made = self._made()
            except StepError as error:
                remedy = "correct the spec, or give defines= or macros="
                if any(node.has_builder() for node in self._sources):
                    remedy += (
                        '; if it reads a source that is built, name its RPMs: rpms=["acme-1.0-1.x86_64.rpm"]'
                    )
                problems.append(Problem("", self.name, str(error), remedy))
        if problems or not made:
            self.report(problems)
            return broken_package(self.env, Path(self.name).stem)
        return self._plan(made)

    @cached_property
    def _sources(self) -> list[Any]:
        return nodes_of(self.env, listed(self.given["sources"]))

    @property
    def _readable(self) -> list[Path]:
        """The sources that a spec can read while the SConstruct is read."""
        paths = [Path(node.get_abspath()) for node in self._sources if not node.has_builder()]
        return [path for path in paths if path.is_file()]

    @cached_property
    def _macro_files(self) -> list[Any]:
        return nodes_of(self.env, listed(self.given["macros"]))

    @cached_property
    def _dist(self) -> str:
        """What a kit elsewhere, else the release puts for %{?dist}: part of the names of RPMs."""
        kit = self._kit
        if kit is None or kit.remote is None or kit.facts is None:
            return profile_of(self.env).dist
        remote, state = kit.remote, [kit.facts.rpm, kit.facts.digest]
        dist: str = read_cached(self.env, f"dist of {remote.key}", state, lambda: read_dist(remote))
        return dist

    @cached_property
    def _macros(self) -> SpecMacros:
        """What the spec finds besides rpm's own macros; asked for once no mistake is known. XSPACK_DDK lends its
        kernel's version alone. Without the files, where the declaration says what comes of them: they may not be there
        yet."""
        kernel = self._kit.kernel if self._kit else kernel_of(self.env)
        profile = profile_of(self.env)
        release = kernel_macros(kernel, next(iter(profile.module_dirs), ""))
        if self._dist:
            release += f"%dist {self._dist}\n"
        given = self.given["defines"] or {}
        return SpecMacros(
            release,
            tuple(Path(node.get_abspath()).read_bytes() for node in self._macro_files if not self._named),
            tuple(sorted((str(key), str(value)) for key, value in given.items())),
            profile.payload,
            self.given["brp"] is not False,
        )

    def _problems(self) -> list[Problem]:
        problems = [] if self._named else [problem for node in self._read for problem in self._unread(node)]
        problems += [found for found in self._named if isinstance(found, Problem)]
        for name in self.given["defines"] or {}:
            if not _MACRO_NAME.fullmatch(name):
                rule = "a macro's name is three or more of letters, digits and _, with no digit first"
                problems.append(Problem("defines", name, rule, "rename it, in the spec too"))
        session().checks.append(self._late_problems)
        names = [self.spec.name, *(node.name for node in self._sources)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            problems.append(Problem("sources", name, "two sources of one name", "rename one of them"))
        return problems

    @cached_property
    def _read(self) -> list[Any]:
        """What is read while the SConstruct is."""
        return [self.spec, *self._macro_files]

    def _unread(self, node: Any) -> list[Problem]:
        """Whether a file cannot be read yet."""
        name, what = ("", "spec") if node is self.spec else ("macros", "macro file")
        if node.has_builder() or built_above(node):
            rule = f"a {what} that is built: the RPMs that the spec makes are not known yet"
            return [Problem(name, str(node), rule, 'name them: rpms=["acme-1.0-1.x86_64.rpm"]')]
        return file_problems(name, node)

    def _late_problems(self) -> list[Problem]:
        """What is known when everything was read: a statement that comes later may build a file."""
        problems = [
            problem
            for node in self._sources
            for problem in pointer_problems("sources", node) or file_problems("sources", node)
        ]
        if self._named:
            problems += file_problems("", self.spec)
            problems += [problem for node in self._macro_files for problem in file_problems("macros", node)]
        else:
            problems += [
                problem
                for node in self._read
                if node.has_builder() or built_above(node)
                for problem in self._unread(node)
            ]
            problems += self._read_too_early()
        return [problem.at(self.place, self.target) for problem in problems]

    def _read_too_early(self) -> list[Problem]:
        """The sources that a later statement builds, if what the spec says depends on them: they were read as an
        earlier build left them."""
        paths = {Path(node.get_abspath()): node for node in self._sources if node.has_builder()}
        built = [paths[path] for path in self._asked_with if path in paths]
        if not built:
            return []
        path = Path(self.spec.get_abspath())
        with suppress(StepError):
            packages = query_spec(path, self._readable, self._macros)
            if [packages, source_spec_name(path, self._readable, self._macros)] == self._answers:
                return []
        rule = (
            "a source that is built, and that the spec reads: the RPMs that the spec makes are not known yet"
        )
        remedy = 'name them: rpms=["acme-1.0-1.x86_64.rpm"]'
        return [Problem("sources", str(node), rule, remedy) for node in built]

    @cached_property
    def _named(self) -> list[Identity | Problem]:
        """The RPMs that the declaration names."""
        return [_identity(name) for name in listed(self.given["rpms"])]

    @property
    def _state(self) -> list[Any]:
        """All on which rpmspec's answers depend."""
        spec = Path(self.spec.get_abspath()).read_bytes()
        sources = [[path.name, file_state(path)] for path in self._readable]
        return [hashlib.sha256(spec).hexdigest(), self._macros.key, version_of(self.env, "rpmbuild"), sources]

    def _made(self) -> list[tuple[Identity, tuple[str, ...]]]:
        """The RPMs that the spec makes, with the kernels that each requires."""
        if self._named:
            return [(one, ()) for one in self._named if isinstance(one, Identity)]
        path = Path(self.spec.get_abspath())
        self._asked_with = self._readable
        packages = read_cached(
            self.env,
            f"RPMs of {path} {self._slot}",
            self._state,
            lambda: query_spec(path, self._readable, self._macros),
        )
        self._answers = [packages]
        return [(Identity(**identity), tuple(kernels)) for identity, kernels in packages]

    def _plan(self, made: list[tuple[Identity, tuple[str, ...]]]) -> Any:
        waive = self.waived()
        planned = [
            PlannedRpm(
                identity,
                self.target,
                self.place,
                waive=waive,
                kernels=kernels,
                kit=self._kit,
                folder=self._folder,
            )
            for identity, kernels in made
        ]
        macros = self._macros
        common = (
            macros.release,
            dict(macros.defines),
            (self.spec.name, *(node.name for node in self._sources)),
            macros.payload,
            macros.brp,
            source_date_epoch(),
        )
        failed = Path(self.env.Dir(out_path(self.env, ".xspack", "failed", self._slot)).get_abspath())
        nodeps = bool(self.given["nodeps"])
        how = (failed, int(SCons.Script.GetOption("num_jobs")), nodeps)
        spec, step = SpecStep(*common), BuildSpec(*common, *how)
        if self._named:
            rpms = tuple(identity for identity, _ in made)
            spec, step = NamedRpms(*common, rpms=rpms), BuildNamedRpms(*common, *how, rpms=rpms)
        inputs = {"spec": self.spec, "sources": self._sources, "macros": self._macro_files}
        source = self._source_rpm(WriteSpecSource(*common), inputs)
        kit = self._kit
        if kit and kit.remote and kit.facts:
            remote = BuildSpecRemotely(
                kit.signature, spec, kit.remote, kit.facts, kit.cache_file, failed, nodeps
            )
            there = {**inputs, "source_rpm": source}
            nodes = rpm_nodes(self.env, planned, there, remote, None, self.report)
        else:
            nodes = rpm_nodes(self.env, planned, inputs, step, None, self.report)
        self.env.Clean(nodes[0], str(failed))
        journal_of(self.env).keep(failed)
        for node in nodes:
            own_record(node).source_rpm = source
        return nodes

    def _source_rpm(self, step: WriteSpecSource, inputs: dict[str, Any]) -> Any:
        """The source RPM, written only when something asks for it."""
        path, macros = Path(self.spec.get_abspath()), self._macros
        if main := next((one for one in self._named if isinstance(one, Identity)), None):
            name = f"{main.name}-{main.version}-{main.release}.src.rpm"
        else:
            name = read_cached(
                self.env,
                f"source of {path} {self._slot}",
                self._state,
                lambda: source_spec_name(path, self._readable, macros),
            )
            self._answers.append(name)
        node = self.env.File(out_path(self.env, "srpms", *filter(None, [self._folder]), name))
        if taken := session().claim_output(node, self.place, self.target):
            self.report(taken)
            return node
        add_step(self.env, step, inputs=inputs, outputs={"rpm": node})
        remove_older(self.env, node, f"source of {self.spec} {self._folder}".rstrip())
        return node

    @property
    def _slot(self) -> str:
        """What tells this declaration of the spec from others."""
        given = f"{self._folder}{self._macros.release}{self._macros.defines}"
        return f"{plain_name(Path(self.name).stem)}-{hashlib.sha256(given.encode()).hexdigest()[:8]}"


_RPM = re.compile(r"(.+)-(?:([0-9]+):)?([^-:]+)-([^-]+)\.([^.-]+)\.rpm")


def _identity(name: str) -> Identity | Problem:
    found = _RPM.fullmatch(name)
    if not found:
        return Problem("rpms", name, "not the file name of an RPM", 'write it as "acme-1.0-1.x86_64.rpm"')
    name, epoch, version, release, arch = found.groups()
    return Identity(name, version, release, arch, int(epoch or 0))


def rpm_text(rpm: Identity) -> str:
    """An RPM as ``rpms=`` names it."""
    return f"{rpm.name}-{rpm.evr}.{rpm.arch}.rpm"
