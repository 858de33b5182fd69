"""Type stubs of ``env.<Name>``, out of the kinds' own fields: editors, mypy and pyright name a misspelt keyword."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping

from SCons.Script.SConscript import BuildDefaultGlobals

from xspack_tool.kinds import HELPERS, all_kinds, helpers
from xspack_tool.kinds.base import Field, Kind
from xspack_tool.model.profile import schema_text
from xspack_tool.plan.settings import VARIABLES

_HEAD = '''\
"""What SConstruct and SConscript files see. Made by `xspack stubs`."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

class Nodes(list[Any]):
    """What a builder returns."""

class Ddk: ...
class XsConfig: ...
class XsDir: ...
class XsFile: ...
class XsLink: ...
class XsPatch: ...
class XsStatusReport: ...
class XsUser: ...

Source: TypeAlias = str | Nodes | Sequence[Any]
Sources: TypeAlias = str | Nodes | Sequence[Any]
Texts: TypeAlias = str | Sequence[str]

class Environment:
    """A construction environment with xspack's kinds."""

    def __init__(self, *, tools: Sequence[Any] = ..., {variables}, **construction: Any) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, name: str) -> Any: ...
    def __setitem__(self, name: str, value: Any) -> None: ...
'''
#: What a helper gives; one that is not here gives what builders return.
_GIVES = {
    **{name: name for name in re.findall(r"(?m)^class (\w+): \.\.\.$", _HEAD)},
    "XsKernelTrees": "list[str]",
    "XsRule": "None",
}
_BUILTINS = '"""For pyright: what needs no import. Made by `xspack stubs`."""\n\nfrom SCons.Script import *\n'
_SCONS = "from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n"


def stub_files(more: Iterable[type[Kind]] = ()) -> dict[str, str]:
    """The stubs by their paths: those of our own kinds, and of ``more``."""
    return {
        "__builtins__.pyi": _BUILTINS,
        "typings/SCons/__init__.pyi": _SCONS,
        "typings/SCons/Script/__init__.pyi": _script([*all_kinds(), *more]),
        "typings/xspack-profile.schema.json": schema_text(),
    }


def _script(kinds: Iterable[type[Kind]]) -> str:
    text = _HEAD.replace("{variables}", _variables())
    for kind in kinds:
        text += f"\n    def {kind.__name__}(\n        self,\n        name: Sources,\n        *,\n"
        text += "".join(_keyword(name, field) for name, field in kind.FIELDS.items())
        text += f"        {_variables()},\n    ) -> Nodes:\n{_docstring(kind.__doc__)}"
    for name, function in HELPERS.items():
        helper = getattr(helpers, function)
        text += f"\n    def {name}(self, *words: Any, **options: Any) -> {_GIVES.get(name, 'Nodes')}:\n"
        text += _docstring(helper.__doc__)
    known = {"Environment", "Builder", "Node"}
    names = sorted(name for name in BuildDefaultGlobals() if name.isidentifier() and name not in known)
    return text + "\n" + "".join(f"{name}: Any\n" for name in names if not name.startswith("_"))


def _keyword(name: str, field: Field) -> str:
    hint = field.validator.hint if field.validator else "Any"
    needed = field.required and not field.unless
    return f"        {name}: {hint if needed else f'{hint} | None = ...'},\n"


def _variables() -> str:
    names: Mapping[str, str] = VARIABLES
    return ", ".join(
        f"{name}: Any = ..." for line in names for name in line.split(", ") if name.startswith("XSPACK_")
    )


def _docstring(text: str | None) -> str:
    words = " ".join(inspect.cleandoc(text or "").split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'        """{words}"""\n'
