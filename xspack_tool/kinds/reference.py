"""``docs/declarations.md`` out of the kinds themselves: ``python -m xspack_tool.kinds.reference [FILE]``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xspack_tool.kinds import HELPERS, all_kinds, helpers
from xspack_tool.kinds.base import Field, PackageKind
from xspack_tool.model.profile import KEYS
from xspack_tool.plan.settings import VARIABLES

_HEAD = """\
# Declarations

Made from the kinds themselves by `python -m xspack_tool.kinds.reference docs/declarations.md`.

Everything is keyword-only but the name. An unknown keyword, and every other mistake, is told with the line of the
SConstruct before anything is built that needs the declaration; all mistakes come together. What needs no faulty
declaration is built as ever, so a pack never stops the rest of a tree; `scons -k` builds all that is right. Where
a file is named, a path (relative to the SConscript), a node or what a builder returned will do.

A file keeps what its owner may do with it (0644, or 0755 where it is executable), whatever the umask was when it
was checked out; `env.XsFile(file, mode=0o640)` gives it another mode, owner or group. Modes are numbers, or octal
digits as a text; a decimal number such as 755 is refused.

A destination that ends in `/` is a folder, and so is that of a list (a Glob, an alias, `[..]`), be it a list of one:
the files go below it under their own names. What a builder returns for one target, and one name, is the file itself.
A source may be a path, a node, an alias, a generator, or `env.Value("text")`; a name may become a file or a folder
later in the SConstruct. A versioned `SharedLibrary` brings its links along.

A folder is packaged file by file, with its links and empty folders. If steps of the build fill it (`Install`,
`InstallVersionedLib`, `Command`, declared before or after), it is packaged as it is when they are done; where a step
writes into it without naming a target there, say `env.Depends(env.Dir("folder"), step)`.
`env.XsDir("folder", mode=0o750, owner="acme")` gives a folder and those below it a mode and owners;
`env.XsDir(mode=0o700)` alone is an empty folder, which git cannot hold. With `env.XsFile("folder", mode=0o600)` all
files below it have that mode.

`$NAME` or `${NAME}` in a destination, in the target of a link and in the texts of a package or pack (version, summary,
description, requires, changelog, ..) is the value of that construction variable where the declaration stands; `$$` is
a dollar sign, and a name that is not a construction variable is a mistake. Scriptlets, iptables rules, waivers and what
make or rpmbuild reads stay as they are written. In names of sources SCons expands as it always does.
"""


_ALIASES = """
## Aliases

| `scons ..` | builds |
|---|---|
| `pack` | every pack |
| `pack:<label>` | one of them |
| `check` | the RPMs of every pack and what the rules say of them, without an ISO |
| `check:<label>` | of one of them |

Each is made where the SConstruct makes no alias, file or folder's content of that name.
"""

_OUTPUTS = """
## What a pack becomes

| below `$XSPACK_OUT` | is |
|---|---|
| `<label>-<version>.iso`, `.iso.sha256` | the pack, and its checksum for `sha256sum -c` |
| `<label>-<version>.cdx.json`, `.spdx.json` | its bill of materials, as CycloneDX 1.6 and as SPDX 2.3 |
| `<label>-<version>.provenance.json`, `.asc` | how it was made (in-toto, SLSA v1), signed by the pack's key |
| `<label>-findings.json`, `<label>-findings.sarif` | what the rules found |

`env.Pack` returns the ISO first, then what lies beside it; an alias or an `env.Install` of it takes all.
"""

_VARIABLES = """
## Construction variables

A value on the command line (`scons XSPACK_STRICT=1`) holds before one in the process environment, that before one in
the SConstruct, and that before the default. In the SConstruct a keyword of a declaration (`XSPACK_OUT="#out"`) holds
before the environment's value. A relative path on the command line or in the process environment begins at the top of
the tree, one in an SConscript at its folder. An unknown `XSPACK_` variable is an error wherever it is set. A
declaration takes the values that its environment has at that statement; what is assigned later holds for later ones.

"""


_PROFILES = """
## A release of your own

`XSPACK_TARGET` may be the path of a TOML file with all of these keys; an empty value means that it is not known, and
nothing is judged by it. `xspack stubs` writes its JSON schema, by which editors complete and check it.

"""


def reference_page() -> str:
    """The page: the variables, the keywords that every package has, each kind's own, the helpers."""
    parts = [_HEAD, _ALIASES, _OUTPUTS, _VARIABLES, _table("variable", list(VARIABLES.items()))]
    parts += [
        _PROFILES,
        _table("key", [(key, f"{meaning}: {one.words}") for key, (meaning, one) in KEYS.items()]),
    ]
    parts += ["\n## Every package\n\n", _fields(PackageKind.FIELDS)]
    for kind in all_kinds():
        own = {name: field for name, field in kind.FIELDS.items() if PackageKind.FIELDS.get(name) != field}
        shared = issubclass(kind, PackageKind)
        fields = own if shared else kind.FIELDS
        also = " It takes the keywords of every package, and:" if shared else ""
        parts.append(
            f"\n## {kind.__name__}\n\n{inspect.cleandoc(kind.__doc__ or '')}{also}\n\n{_fields(fields)}"
        )
    parts.append("\n## Helpers\n")
    for name, function in HELPERS.items():
        text = inspect.cleandoc(getattr(helpers, function).__doc__ or "")
        parts.append(f"\n- `env.{name}(..)`: {' '.join(text.split())}")
    return "".join(parts) + "\n"


def _fields(fields: Mapping[str, Field]) -> str:
    lines = ["| keyword | meaning | example |", "|---|---|---|"]
    for name, field in fields.items():
        shown = f"`{name}={field.example}`" if field.example else ""
        lines.append(f"| `{name}` | {_meaning(field).replace('<', '&lt;')} | {shown} |")
    return "\n".join(lines) + "\n"


def _meaning(field: Field) -> str:
    if field.required:
        return f"{field.meaning} (needed)"
    shown: Any = field.default
    return field.meaning if shown in (None, "", False) else f"{field.meaning} ({shown!r})"


def _table(head: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {head} | meaning |", "|---|---|"]
    lines += [
        f"| `{name.replace(', ', '`, `')}` | {meaning.replace('<', '&lt;')} |" for name, meaning in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
    else:
        print(reference_page(), end="")
