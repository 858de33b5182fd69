"""The base of every declared target, and how a kind becomes ``env.<Name>``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace
from SCons.Util import NodeList, flatten

from xspack_tool.errors import Place, Problem
from xspack_tool.kinds import validators
from xspack_tool.kinds.package_declaration import PackageDeclaration
from xspack_tool.kinds.variables import Expansion
from xspack_tool.model import syntax
from xspack_tool.model.package import Package
from xspack_tool.plan.help import tell_alias
from xspack_tool.plan.node_record import own_record, record_of
from xspack_tool.plan.package import (
    Contents,
    Declared,
    PlannedRpm,
    broken_package,
    complete_package,
    output_node,
    plan_package,
)
from xspack_tool.plan.profile import profile_of
from xspack_tool.plan.session import belong, session, user_place
from xspack_tool.plan.settings import out_path, with_settings
from xspack_tool.plan.sources import Folders, nodes_of

REQUIRED = object()


class Field(Struct, frozen=True):
    """A keyword of a kind: its meaning, as help and errors show it, what it is when it is not given, and the
    validator of its value (None: any). ``unless`` names a field that stands for it; one with neither a default nor
    such a field beside it is told to be missing. ``example`` is a value as it stands in a SConstruct. ``expands``
    tells that construction variables are expanded in its texts, as they are in destinations: what a shell, make or
    another program reads stays as it is written."""

    meaning: str
    default: Any = None
    validator: validators.Validator | None = None
    unless: str = ""
    example: str = ""
    expands: bool = False

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED

    @property
    def without(self) -> Any:
        """Its value where the user gives none."""
        return None if self.required else self.default


#: Of each kind that the rules look at.
WAIVE = Field(
    "rule id -> why it does not hold here",
    None,
    validators.WAIVERS,
    example='{"P4": "the installer reads this text"}',
)


class Kind:
    """A kind of target. A subclass names its fields and says in ``declare`` what they mean; ``env.XsKind(cls)``,
    or being one of our own, makes it ``env.<class name>``."""

    FIELDS: ClassVar[Mapping[str, Field]] = {}
    #: The alias that its targets get where the user made none of that name.
    ALIAS: ClassVar[str] = ""
    #: Whether it is declared of nodes, as many as there are, and not by a name.
    TAKES_SEVERAL: ClassVar[bool] = False

    def __init__(self, env: Any, name: str, given: dict[str, Any], place: Place) -> None:
        self.env, self.name, self.place = env, name, place
        self.target = f"{type(self).__name__} {name!r}"
        self.problems = self._check_fields(given)
        given = self._expanded(given)
        wrong = {problem.field for problem in self.problems}
        #: The value of each field; one that is of a wrong type counts as not given.
        self.given = {
            key: field.without if key in wrong or given.get(key) is None else given[key]
            for key, field in self.FIELDS.items()
        }
        #: Whether all that a kind cannot do without is there.
        self.is_complete = not any(self.FIELDS[key].required for key in wrong & self.FIELDS.keys())

    def declare(self) -> Any:
        """Make the nodes of this target."""
        raise NotImplementedError

    def preset(self, variable: str) -> str:
        """The text that a construction variable gives where the declaration has none."""
        expansion = Expansion(self.env, variable)
        text = expansion.text(str(self.env.get(variable) or ""))
        self.note(expansion.problems)
        return text

    def note(self, problems: list[Problem]) -> None:
        """Add to the mistakes found in this declaration; of a field that is wrong already, one is enough."""
        known = {problem.field for problem in self.problems}
        self.problems += [problem for problem in problems if not problem.field or problem.field not in known]

    def report(self, problems: list[Problem]) -> None:
        """Hand mistakes over to the one list that is shown before anything is built."""
        session().problems.extend(problem.at(self.place, self.target) for problem in problems)

    def waived(self) -> tuple[tuple[str, str], ...]:
        """The waivers of this declaration, sorted; mistakes in them are noted."""
        waive = self.given["waive"]
        if waive is None:
            return ()
        from xspack_tool.rules.registry import waiver_problems

        problems = waiver_problems(waive)
        self.report(problems)
        return () if problems else tuple(sorted(waive.items()))

    def _expanded(self, given: dict[str, Any]) -> dict[str, Any]:
        """The values with the construction variables in them; mistakes are noted."""
        done = dict(given)
        wrong = {problem.field for problem in self.problems}
        for key, value in given.items():
            field, expansion = self.FIELDS.get(key), Expansion(self.env, key)
            if field is None or value is None or key in wrong:
                continue
            if field.validator is validators.FILE_TABLE:
                done[key] = expansion.table(value)
            elif field.expands:
                done[key] = expansion.each(value)
            self.problems += expansion.problems
        return done

    def _check_fields(self, given: Mapping[str, Any]) -> list[Problem]:
        known = ", ".join(self.FIELDS)
        problems = [
            Problem(
                key, value, "unknown keyword", syntax.nearest(key, self.FIELDS) or f"the keywords are {known}"
            )
            for key, value in given.items()
            if key not in self.FIELDS
        ]
        problems += [
            Problem(key, None, "is missing", f"give the {field.meaning}")
            for key, field in self.FIELDS.items()
            if field.required and given.get(key) is None and not given.get(field.unless)
        ]
        for key, value in given.items():
            field = self.FIELDS.get(key)
            wrong = validators.text_problems(key, value)
            if not wrong and value is not None and field and field.validator:
                needed = field.required or bool(field.unless)
                wrong = field.validator.problems(key, value, needed=needed)
            problems += wrong
        return problems


class PackageKind(Kind):
    """A kind that becomes an RPM. A subclass adds to FIELDS and fills the declaration."""

    FIELDS: ClassVar[Mapping[str, Field]] = {
        "version": Field("version of the RPM", REQUIRED, validators.TEXT, example='"5.2"', expands=True),
        "release": Field("release of the RPM", "1", validators.TEXT, example='"2"', expands=True),
        "epoch": Field("epoch of the RPM", 0, validators.NUMBER, example="1"),
        "arch": Field(
            "architecture: x86_64 (the default) or noarch",
            None,
            validators.TEXT,
            example='"noarch"',
            expands=True,
        ),
        "summary": Field(
            "one line that says what it is",
            None,
            validators.TEXT,
            example='"Acme monitoring agent"',
            expands=True,
        ),
        "description": Field(
            "what it is, at length",
            "",
            validators.TEXT,
            example='"Watches the fans and reports to the Acme console."',
            expands=True,
        ),
        "license": Field(
            "SPDX licence expression (or $XSPACK_LICENSE)",
            None,
            validators.TEXT,
            example='"GPL-2.0-only"',
            expands=True,
        ),
        "vendor": Field("vendor (or $XSPACK_VENDOR)", None, validators.TEXT, example='"Acme"', expands=True),
        "packager": Field(
            "packager (or $XSPACK_PACKAGER)",
            None,
            validators.TEXT,
            example='"Acme Builds <builds@acme.example>"',
            expands=True,
        ),
        "url": Field(
            "home page (or $XSPACK_URL)",
            None,
            validators.TEXT,
            example='"https://acme.example"',
            expands=True,
        ),
        "files": Field(
            "destination on the host -> file, folder, XsFile, XsDir or XsLink",
            None,
            validators.FILE_TABLE,
            example='{"/opt/acme/bin/agent": "agent", "/opt/acme/share": env.Dir("share")}',
        ),
        "config": Field(
            "destination -> configuration file, kept on upgrade",
            None,
            validators.FILE_TABLE,
            example='{"/etc/acme.conf": "acme.conf"}',
        ),
        "ghost": Field(
            "files made on the host that belong to the package: paths, or path -> mode",
            None,
            validators.PATHS_WITH_MODES,
            example='["/var/lib/acme/state"]',
            expands=True,
        ),
        "docs": Field("files for /usr/share/doc/<name>", None, validators.FILES, example='["README"]'),
        "licenses": Field(
            "licence texts for /usr/share/licenses/<name>", None, validators.FILES, example='["COPYING"]'
        ),
        "users": Field(
            "system users to make before the files are laid: names, or env.XsUser(..)",
            None,
            validators.USERS,
            example='["acme", env.XsUser("acmed", home="/var/lib/acme")]',
        ),
        "groups": Field(
            "system groups to make before the files are laid", None, validators.TEXTS, example='["acme"]'
        ),
        "requires": Field(
            "what it needs: 'name' or 'name >= version'",
            None,
            validators.DEPENDENCIES,
            example='["bash", "python3 >= 3.6"]',
            expands=True,
        ),
        "provides": Field(
            "what it provides", None, validators.DEPENDENCIES, example='["acme-agent-api = 2"]', expands=True
        ),
        "hide_provides": Field(
            "patterns of names, such as 'libcrypto.so.*', that rpm finds in the payload and that it does not provide",
            None,
            validators.TEXTS,
            example='["libcrypto.so.*"]',
        ),
        "hide_requires": Field(
            "the same of what it would require", None, validators.TEXTS, example='["libcrypto.so.*"]'
        ),
        "automatic_provides": Field(
            "False: rpm looks for nothing that the payload provides", True, validators.FLAG, example="False"
        ),
        "automatic_requires": Field(
            "False: rpm looks for nothing that the payload requires", True, validators.FLAG, example="False"
        ),
        "conflicts": Field(
            "what it cannot stand beside",
            None,
            validators.DEPENDENCIES,
            example='["acme-legacy"]',
            expands=True,
        ),
        "obsoletes": Field(
            "what it replaces", None, validators.DEPENDENCIES, example='["acme-monitor < 5"]', expands=True
        ),
        "scripts": Field(
            "scriptlet (pre, post, ..) -> shell text or file",
            None,
            validators.SCRIPT_TABLE,
            example='{"post": "ldconfig", "preun": env.File("preun.sh")}',
        ),
        "triggers": Field(
            "'triggerin kernel-xen >= 4.19' -> shell text or file that runs when that package comes or goes",
            None,
            validators.SCRIPT_TABLE,
            example='{"triggerin kernel-xen >= 4.19": "/opt/acme/bin/agent --probe"}',
        ),
        "changelog": Field(
            "entries: '2026-11-20 Name <mail> 1.0-1\\n- what changed'",
            None,
            validators.CHANGELOG,
            example='["2026-11-20 Acme Builds <builds@acme.example> 5.2-1\\n- listen on IPv6"]',
            expands=True,
        ),
        "target": Field(
            "file to write instead of $XSPACK_OUT/rpms/<nevra>.rpm",
            None,
            validators.FILE,
            example='"#build/agent.rpm"',
        ),
        "waive": WAIVE,
    }
    #: The architecture of the RPM where none is given.
    ARCH: ClassVar[str] = "x86_64"

    def destination(self, declaration: PackageDeclaration, path: str) -> str:
        """Where a key of ``files`` or ``config`` lies on the host: the path itself, unless a kind says otherwise."""
        return path

    def folder(self, field: str) -> Any:
        """The folder that a field names, as a node."""
        return nodes_of(self.env, self.given[field])[0]

    def fill(self, declaration: PackageDeclaration) -> None:
        """Say which files, dependencies and scriptlets this kind's own fields mean."""

    def declare(self) -> Any:
        declaration = PackageDeclaration(self.env, self.name, profile_of(self.env))
        self._fill_common(declaration)
        if self.is_complete:
            self.fill(declaration)
        # Last, since nothing runs after a user's `exit 0`.
        for phase, body in (self.given["scripts"] or {}).items():
            declaration.script(phase, body)
        for words, body in (self.given.get("triggers") or {}).items():
            declaration.trigger(words, body)
        identity = self.identity()
        package, contents = declaration.finish(**identity)
        nodes = NodeList()
        if declaration.is_open:
            session().checks.append(lambda: self._close(declaration, identity, nodes))
        session().checks.extend(declaration.late_checks)
        self.note(declaration.problems)
        if self.problems:
            self.report(self.problems)
            return broken_package(self.env, self.name)
        nodes += self.plan(package, contents)
        for node in nodes:
            own_record(node).declared = Declared(package, tuple(self.licence_texts()))
        return nodes

    def _close(self, declaration: PackageDeclaration, identity: dict[str, Any], nodes: Any) -> list[Problem]:
        """Plan with the whole payload, now that everything was read. Of a declaration that is wrong anyway, only find
        what else is."""
        if not declaration.is_open:
            return []
        declaration.problems.clear()
        declaration.close(is_awaited=any(node.depends for node in nodes))
        package, contents = declaration.finish(**identity)
        problems = declaration.problems
        if not problems and nodes and record_of(nodes[0]).rpm:
            problems = self.complete(nodes, package, contents, Folders(declaration.trees))
            for node in nodes:
                if declared := record_of(node).declared:
                    own_record(node).declared = replace(declared, package=package)
        return [problem.at(self.place, self.target) for problem in problems]

    def licence_texts(self) -> list[Any]:
        """The files that hold the texts of its licences."""
        return nodes_of(self.env, listed(self.given["licenses"]))

    def plan(self, package: Package, contents: Contents) -> Any:
        """The nodes of the finished declaration; ``contents`` are those of its files by the names in ``package``."""
        planned = PlannedRpm(package.identity, self.target, self.place, waive=self.waived())
        return plan_package(self.env, package, contents, planned, self.given["target"], self.report)

    def complete(self, nodes: Any, package: Package, contents: Contents, folders: Folders) -> list[Problem]:
        """Plan the nodes anew: what was open when they were planned is known now."""
        return complete_package(nodes[0], package, contents, folders)

    def identity(self) -> dict[str, Any]:
        """The plain fields of the package, with the environment's defaults."""
        given = self.given

        def default(field: str) -> str:
            return given[field] if given[field] is not None else self.preset(f"XSPACK_{field.upper()}")

        return {
            "version": given["version"],
            "release": given["release"],
            "epoch": given["epoch"],
            "arch": given["arch"] or self.ARCH,
            "summary": given["summary"] or f"{self.name} for XenServer hosts",
            "description": given["description"],
            **{field: default(field) for field in ("license", "vendor", "packager", "url")},
            "not_automatic": tuple(
                name for name in ("provides", "requires") if given.get(f"automatic_{name}") is False
            ),
            "hidden_provides": tuple(listed(given.get("hide_provides"))),
            "hidden_requires": tuple(listed(given.get("hide_requires"))),
        }

    def _fill_common(self, declaration: PackageDeclaration) -> None:
        given = self.given
        for field, role in (("files", ""), ("config", "config")):
            for path, value in (given.get(field) or {}).items():
                declaration.add(field, self.destination(declaration, path), value, role=role)  # type: ignore[arg-type]
        ghosts = given.get("ghost") or {}
        for path in ghosts if isinstance(ghosts, Mapping) else listed(ghosts):
            declaration.ghost(path, ghosts[path] if isinstance(ghosts, Mapping) else 0o644)
        if given["docs"]:
            declaration.add("docs", f"/usr/share/doc/{self.name}/", given["docs"], role="doc")
        if given["licenses"]:
            declaration.add(
                "licenses", f"/usr/share/licenses/{self.name}/", given["licenses"], role="license"
            )
        self._accounts(declaration)
        for field in ("requires", "provides", "conflicts", "obsoletes"):
            declaration.relate(field, *listed(given[field]))
        declaration.change(*listed(given["changelog"]))

    def _accounts(self, declaration: PackageDeclaration) -> None:
        """The users and groups that files of the package may belong to."""
        users, groups = listed(self.given.get("users")), listed(self.given.get("groups"))
        if not users and not groups:
            return
        from xspack_tool.rpm.scriptlets import accounts

        made = [accounts.Account(user) if isinstance(user, str) else user for user in users]
        invalid = accounts.account_problems(made, groups)
        declaration.problems += invalid
        if invalid:
            return
        for phase, text in accounts.account_scripts(made, groups).items():
            declaration.script(phase, text, field="users")
        declaration.relate("requires", *accounts.PROGRAMS)
        if declaration.profile.has_sysusers:
            path, text = accounts.sysusers_file(self.name, made, groups)
            declaration.text(path, text, field="users")


def listed(value: Any) -> list[Any]:
    """A list of what a field holds: nothing, one thing, or several."""
    if value is None:
        return []
    found: list[Any] = flatten([value])
    return found


def add_kind(env: Any, kind: type[Kind]) -> None:
    """Make a kind available as ``env.<its class name>``."""

    def method(env: Any, *names: Any, **given: Any) -> Any:
        return declare(kind, env, names, given)

    method.__doc__ = kind.__doc__
    env.AddMethod(method, kind.__name__)


def declare(kind: type[Kind], env: Any, names: Any, given: dict[str, Any]) -> Any:
    """The nodes of a declaration, as the user called it. Construction variables among its keywords hold for this
    declaration alone, as builders have it."""
    place = user_place()
    names, given = tuple(flatten(validators.settled(names))), validators.settled(given)
    overrides = {key: given.pop(key) for key in list(given) if key.isupper() and key not in kind.FIELDS}
    shown = names[0] if len(names) == 1 else tuple(map(str, names))
    with session().declaring(f"{kind.__name__} {str(shown)!r}", place) as declaration:
        env = with_settings(env.Override(overrides) if overrides else env)
        session().folders.add(env.Dir(out_path(env)).get_abspath())
        nodes = _declared(kind, env, names, given, place)
        if declaration.needs or (not nodes and declaration.problems):
            declaration.refused = True
            belong(nodes, declaration)
            nodes = broken_package(env, str(shown), declaration.needs)
        if declaration.problems and _is_path(target := given.get("target", [])):
            belong(
                [output_node(env, target)], declaration
            )  # what an earlier run made there is not up to date
        if kind.ALIAS:
            for label, made in _by_label(nodes, str(shown)).items():
                session().aliases.append((kind.ALIAS, label, made))
                tell_alias(kind.ALIAS, label)
    return belong(nodes, declaration)


def _is_path(value: Any) -> bool:
    return validators.FILE.holds(value) and not validators.text_problems("", value)


def _by_label(nodes: Any, name: str) -> dict[str, list[Any]]:
    """The packs of one declaration by their labels: of each release one; a faulty one has the name."""
    found: dict[str, list[Any]] = {}
    for node in nodes:
        packed = record_of(node).pack
        found.setdefault(packed.pack.label if packed else name, []).append(node)
    return found


def _declared(kind: type[Kind], env: Any, names: Any, given: dict[str, Any], place: Place) -> Any:
    if all(map(validators.is_source, names)) and not validators.text_problems("", names):
        if len(names) == 1:
            return kind(env, names[0], given, place).declare()
        if kind.TAKES_SEVERAL:
            return kind(env, names, given, place).declare()
    rule = "a declaration must begin with its one name; everything else is a keyword"
    remedy = f'write env.{kind.__name__}("name", version=.., ..)'
    session().problems.append(Problem("", "", rule, remedy).at(place, f"{kind.__name__}{names!r}"))
    return []
