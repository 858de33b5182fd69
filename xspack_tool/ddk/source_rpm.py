"""The part of a driver's source RPM that compiles: the same kbuild as here, as shell in a spec."""

from __future__ import annotations

import io
import os
import re
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xspack_tool.ddk.request import ENVIRONMENT, KbuildPlace, KbuildRequest, kbuild_arguments
from xspack_tool.ddk.staging import driver_sources

#: Variables of the shell, and rpm's SOURCE1 and so on, in the words of kbuild_arguments: marked by characters
#: that no word of a user's holds.
_VARIABLE = re.compile("\x02([A-Za-z0-9]+)\x03")

#: The machine's own taste, which would change modules or what is required: brp scripts, debug packages, the
#: generators of kmod() relations. A kernel's version may hold several dashes.
HEAD = """\
%{{!?kernel_tree: %global kernel_tree /lib/modules/{kernel}/build}}
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global __kmod_path ^$
%global __spec_install_post %{{nil}}
%global _wrong_version_format_terminate_build 0
"""

_PREP = """\
tree=$(readlink -f %{{kernel_tree}}) || tree=
if ! test -f "$tree/Module.symvers"; then
    echo "no kernel build tree at %{{kernel_tree}}: rpmbuild --define 'kernel_tree FOLDER' names another" >&2
    exit 1
fi
release=$(sed -n 's/^#define UTS_RELEASE "\\(.*\\)"$/\\1/p' "$tree/include/generated/utsrelease.h")
if test "$release" != {kernel}; then
    echo "%{{kernel_tree}} is the tree of kernel $release, this driver is for {kernel}" >&2
    exit 1
fi
%setup -q -n {top}
"""

_BUILD = """\
unset CFLAGS CPPFLAGS CXXFLAGS FFLAGS FCFLAGS LDFLAGS KCFLAGS KAFLAGS ARCH CROSS_COMPILE
{exports}
sources=$(pwd -P)
tree=$(readlink -f %{{kernel_tree}})
map=-ffile-prefix-map
printf '' | {compiler} $map=a=b -x c -fsyntax-only - 2>/dev/null || map=-fdebug-prefix-map
macros=
{macros}{makes}"""

_MACRO = """\
grep -Eq '^#define CONFIG_{name}(_MODULE)? ' "$tree/include/generated/autoconf.h" || macros="$macros {option}"
"""

_INSTALL = """\
sources=$(pwd -P)
place=%{{buildroot}}{folder}
list=$sources/.modules.list
: > "$list"
for folder in {folders}; do
    (cd "$sources/$folder" && find . -name '*.ko' | LC_ALL=C sort) | while read -r module; do
        module=${{module#./}}
        test ! -e "$place/$module" || {{ echo "two modules for one place, $module" >&2; exit 1; }}
        mkdir -p "$(dirname "$place/$module")"
        cp "$sources/$folder/$module" "$place/$module"
        strip --strip-debug "$place/$module"
        chmod 0644 "$place/$module"
        touch -d @{time} "$place/$module"
        echo '%%attr(0644,root,root) "'{folder}/"$module"'"' >> "$list"
    done
done
%{{?xspack_symvers:cat {symvers} 2>/dev/null | sed "s#\t$sources/#\t#" | LC_ALL=C sort -u -k2,2 > %{{xspack_symvers}}}}
if ! test -s "$list"; then
    echo "kbuild made no module: no Kbuild or Makefile adds one to obj-m" >&2
    exit 1
fi
"""


@dataclass(frozen=True)
class DriverSource:
    """A driver as its source RPM holds it. ``folder`` is where its modules go on the host; ``symbols`` is the
    number of other drivers' Module.symvers, the RPM's sources after the first."""

    kernel: str
    folder: str
    request: KbuildRequest
    symbols: int = 0
    debug: bool = False


@dataclass(frozen=True)
class SourceSections:
    """The pieces of a spec: what stands before the tags, and the bodies of three sections."""

    head: str
    prep: str
    build: str
    install: str
    #: What %files takes the modules' names from, relative to the sources.
    file_list: str = ".modules.list"


def source_sections(driver: DriverSource, top: str, time: int) -> SourceSections:
    """The sections that compile a driver, a pure function. ``top`` is the folder in its archive, ``time`` the
    package's. The kernel tree is rpm's macro `kernel_tree`, by default /lib/modules/<kernel>/build."""
    request = driver.request
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(ENVIRONMENT.items()))
    macros = "".join(_MACRO.format(name=name, option=option) for name, option in request.macros().items())
    compiler = shlex.quote(request.make_variables.get("CC", "gcc").split(" ")[0])
    folders = " ".join(shlex.quote(folder.strip("/") or ".") for folder in request.kbuild_dirs)
    symvers = " ".join(f"{folder}/Module.symvers" for folder in folders.split(" "))
    install = _INSTALL.format(folder=shlex.quote(driver.folder), folders=folders, symvers=symvers, time=time)
    return SourceSections(
        HEAD.format(kernel=driver.kernel),
        _PREP.format(kernel=shlex.quote(driver.kernel), top=shlex.quote(top)),
        _BUILD.format(
            exports=_escape(exports), compiler=_escape(compiler), macros=macros, makes=_makes(driver)
        ),
        install,
    )


def _makes(driver: DriverSource) -> str:
    """The calls of make, in their order; each sees the symbols of those before it."""
    symbols = [_variable(f"SOURCE{number + 1}") for number in range(driver.symbols)]
    lines = []
    for folder in driver.request.kbuild_dirs:
        place = KbuildPlace(_variable("tree"), _variable("sources"), tuple(symbols), _variable("map"))
        macros = [_variable("macros")] if driver.request.macros() else []
        words = kbuild_arguments(driver.request, folder, place, macros=macros, debug=driver.debug)
        lines.append("make %{?_smp_mflags} " + " ".join(map(_word, words)) + "\n")
        symbols.append(f"{_variable('sources')}/{folder.strip('/')}/Module.symvers".replace("//", "/"))
    return "".join(lines)


def _variable(name: str) -> str:
    return f"\x02{name}\x03"


def _word(word: str) -> str:
    """A word for the shell, in which rpm expands nothing but its names of sources."""
    quoted = []
    for at, part in enumerate(_VARIABLE.split(word)):
        if at % 2:
            quoted.append(f'"%{{{part}}}"' if part.isupper() else f'"${part}"')
        elif part:
            quoted.append(_escape(shlex.quote(part)))
    return "".join(quoted)


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def write_source_tar(target: Path, top: str, sources: Mapping[str, Path], time: int) -> None:
    """The archive of a driver's sources below the folder ``top``: the same for the same names, content and
    executable bits. It appears whole or not at all."""
    beside = target.with_name(f".{target.name}.new")
    try:
        with tarfile.open(beside, "w", format=tarfile.GNU_FORMAT) as archive:
            for name in driver_sources(sources):
                content = sources[name].read_bytes()
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size, entry.mtime = len(content), time
                entry.mode = 0o755 if sources[name].stat().st_mode & 0o100 else 0o644
                entry.uname = entry.gname = "root"
                archive.addfile(entry, io.BytesIO(content))
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
