"""What a driver is made from besides its declaration: sources, symbols of others, the key of its modules."""

from __future__ import annotations

from typing import Any

from xspack_tool.ddk.module_key import TOKEN
from xspack_tool.ddk.prepare import SCRIPTS, words_of
from xspack_tool.errors import Problem
from xspack_tool.kinds.base import listed
from xspack_tool.kinds.package_declaration import PackageDeclaration
from xspack_tool.model.dependency import Dependency
from xspack_tool.plan.ddk import Kit
from xspack_tool.plan.modules import SigningPair
from xspack_tool.plan.node_record import record_of, rpm_of
from xspack_tool.plan.session import session
from xspack_tool.plan.sources import TreeItem, is_dir, nodes_of, whole_problems


def symbols_of(declaration: PackageDeclaration, value: Any, kit: Kit) -> tuple[Any, ...]:
    """The Module.symvers of each driver, or file, whose symbols are used. A driver that was built for several
    kits gives that for this one, and must be there where this one is installed."""
    symbols: dict[Any, None] = {}
    drivers: dict[tuple[Any, str], list[Any]] = {}
    for node in nodes_of(declaration.env, listed(value)):
        built = record_of(node).rpm
        if record_of(node).is_broken:
            session().current.needs.append(node)
            continue
        if built and built.is_debuginfo:
            continue
        if built is None:
            declaration.need("extra_symbols", node)
            symbols[node] = None
        elif record_of(node).symvers is None:
            rule, remedy = f"{built.target} is not a driver", "name a driver, or a Module.symvers"
            declaration.problem("extra_symbols", built.identity.name, rule, remedy)
        else:
            drivers.setdefault((built.place, built.target), []).append(node)
    for nodes in drivers.values():
        same = [node for node in nodes if _is_for(rpm_of(node).kit, kit)]
        other = rpm_of(nodes[0])
        if not same:
            rule = f"{other.target} is not built for {kit.name}"
            declaration.problem("extra_symbols", other.identity.name, rule, "give it the same ddk=")
        for node in same[:1]:
            identity = rpm_of(node).identity
            declaration.relate("requires", Dependency(identity.name, ">=", identity.evr))
            symbols[record_of(node).symvers] = None
    return tuple(symbols)


def signing_pair(declaration: PackageDeclaration, value: Any) -> SigningPair | None:
    """What signs modules: the file of a key, or its URI in a token, and a file; None where none are named."""
    items = listed(value)
    uri = items[0] if items and isinstance(items[0], str) and items[0].startswith(TOKEN) else ""
    nodes: list[Any] = nodes_of(declaration.env, items[1:] if uri else items)
    if not items:
        return None
    if len(nodes) != (1 if uri else 2):
        rule = "modules must be signed with a private key and its certificate"
        shown = [uri] * bool(uri) + [str(node) for node in nodes]
        declaration.problem("sign_key", shown, rule, "name both files, the key first")
        return None
    for node in nodes:
        declaration.need("sign_key", node)
    if "pin-value=" in uri:
        rule, remedy = (
            "a URI with a secret in it",
            "leave pin-value out, and set KBUILD_SIGN_PIN in the environment",
        )
        declaration.problem("sign_key", f"{uri.partition('pin-value=')[0]}..", rule, remedy)
    if uri:
        session().need("openssl", "keys in tokens")
    return SigningPair(uri or nodes[0].get_abspath(), nodes[-1])


def prepare_commands(
    declaration: PackageDeclaration, value: Any
) -> tuple[tuple[tuple[str, ...], ...], list[TreeItem]]:
    """The commands of prepare=, and the scripts among them that lie elsewhere than in the sources: files that go
    beside those. A text that names a file beside the SConstruct is a script."""
    commands: list[tuple[str, ...]] = []
    scripts: list[TreeItem] = []
    for command in listed(value):
        if isinstance(command, str) and (
            is_dir(node := nodes_of(declaration.env, command)[0]) or not node.exists()
        ):
            words = words_of(command)
            if isinstance(words, Problem):
                declaration.problems.append(words)
            else:
                commands.append(words)
            continue
        for node in nodes_of(declaration.env, command):
            declaration.need("prepare", node)
            name = f"{SCRIPTS}/{len(scripts)}-{node.name}"
            scripts.append(TreeItem(name, node))
            commands.append((name,))
    return tuple(commands), scripts


def source_folder(declaration: PackageDeclaration, value: Any) -> Any:
    """The folder of a driver's sources; None, and a mistake noted, where there is none."""
    nodes = nodes_of(declaration.env, value)
    if len(nodes) != 1 or not is_dir(nodes[0]) or not nodes[0].srcnode().exists():
        rule = "a driver must have one source folder, with its Kbuild or Makefile"
        declaration.problem(
            "source", str(nodes[0]) if nodes else None, rule, 'name it: source=env.Dir("driver")'
        )
        return None
    declaration.late_checks.append(lambda: whole_problems("source", nodes[0]))
    return nodes[0]


def _is_for(one: Kit | None, other: Kit) -> bool:
    """Whether modules of two kits are for the same hosts."""
    return one is not None and (one.kernel, one.release) == (other.kernel, other.release)
