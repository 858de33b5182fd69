"""The part of a driver's source RPM that compiles: the same kbuild as here, as shell in a spec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from xspack_tool.binary.tar_write import write_tar
from xspack_tool.ddk.prepare import prepare_lines
from xspack_tool.ddk.request import (
    ENVIRONMENT,
    KERNEL,
    ONE_PATH,
    OWN_MAKEFILES,
    SOURCES,
    TREE,
    KbuildPlace,
    KbuildRequest,
    kbuild_arguments,
    module_name,
    own_arguments,
)
from xspack_tool.ddk.staging import driver_sources
from xspack_tool.ddk.uname import UNAME

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
kernel={kernel}
mkdir -p .xspack
cat > .xspack/uname <<'END_OF_UNAME'
{uname}END_OF_UNAME
chmod 0755 .xspack/uname
PATH=$sources/.xspack:$PATH
prefix=${{XSPACK_COMPILER_PREFIX:-}}
cc={cc}
{prepare}macros=
{macros}{makes}"""

_MACRO = """\
grep -Eq '^#define CONFIG_{name}(_MODULE)? ' "$tree/include/generated/autoconf.h" || macros="$macros {option}"
"""

_INSTALL = """\
sources=$(pwd -P)
place=%{{buildroot}}{folder}
list=$sources/.modules.list
: > "$list"
: > .modules.built
for folder in {folders}; do
    (cd "$sources/$folder" && find . -name '*.ko' ! -type l | LC_ALL=C sort) | while read -r module; do
        module=${{module#./}}
{choice}        test ! -e "$place/$module" || {{
            echo "{one_path}" >&2
            exit 1
        }}
        mkdir -p "$(dirname "$place/$module")"
        cp "$sources/$folder/${made}" "$place/$module"
{strip}        chmod 0644 "$place/$module"
        touch -d @{time} "$place/$module"
        echo '%%attr(0644,root,root) "'{folder}/"$module"'"' >> "$list"
    done
done
{expected}if ! test -s "$list"; then
    echo "kbuild made no module: no Kbuild or Makefile adds one to obj-m" >&2
    exit 1
fi
%if 0%{{?xspack_made:1}}
mkdir -p %{{xspack_made}}
cat {symvers} 2>/dev/null | sed "s#	$sources/#	#" | LC_ALL=C sort -u -k2,2 > %{{xspack_made}}/Module.symvers
tar -C "$place" -cf %{{xspack_made}}/modules.tar .
find . -name '.*.o.cmd' -size -1024k | LC_ALL=C sort | tar -cf %{{xspack_made}}/commands.tar -T -
printf '%%s' "$sources" > %{{xspack_made}}/sources
%endif
"""


class DriverSource(Struct, frozen=True):
    """A driver as its source RPM holds it. ``folder`` is where its modules go on the host; ``symbols`` is the
    number of other drivers' Module.symvers, the RPM's sources after the first."""

    kernel: str
    folder: str
    request: KbuildRequest
    symbols: int = 0
    debug: bool = False
    #: Modules that must result.
    expected: tuple[str, ...] = ()


class SourceSections(Struct, frozen=True):
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
    if request.own_makes:
        symvers = "$(find . -name Module.symvers | LC_ALL=C sort)"
    install = _INSTALL.format(
        folder=shlex.quote(driver.folder),
        folders=folders,
        symvers=symvers,
        time=time,
        choice=_choice(request),
        one_path=ONE_PATH.format("$module"),
        made="made" if request.flat else "module",
        strip=_strip(request, debug=driver.debug),
        expected=_expected((*driver.expected, *request.modules, *request.exclude)),
    )
    return SourceSections(
        HEAD.format(kernel=driver.kernel),
        _PREP.format(kernel=shlex.quote(driver.kernel), top=shlex.quote(top)),
        _BUILD.format(
            exports=_escape(exports),
            compiler=_escape(compiler),
            kernel=shlex.quote(driver.kernel),
            uname=_escape(UNAME.format(kernel=driver.kernel)),
            cc=_escape(shlex.quote(request.make_variables.get("CC", "gcc"))),
            prepare=prepare_lines(driver.request, [_words(words) for words in driver.request.prepare]),
            macros=macros,
            makes=_makes(driver),
        ),
        install,
    )


#: The name of a module's file as the kernel knows it.
_NAME = 'name=$(basename "$module" .ko | tr - _)'


def _choice(request: KbuildRequest) -> str:
    """Which of the modules are packaged; all that are built are noted."""
    lines = f'        {_NAME}\n        echo "$name" >> "$sources/.modules.built"\n'
    if request.modules:
        lines += f"        case $name in {_pattern(request.modules)}) ;; *) continue ;; esac\n"
    if request.exclude:
        lines += f"        case $name in {_pattern(request.exclude)}) continue ;; esac\n"
    if request.flat:
        lines += "        made=$module\n        module=${module##*/}\n"
    return lines


def _strip(request: KbuildRequest, *, debug: bool) -> str:
    """How a module is stripped; with debug data, that is done after it was split off."""
    strip = 'strip --strip-debug "$place/$module"'
    if debug:
        strip = f"%{{!?xspack_made:{strip}}}"
    if request.unstripped:
        strip = f"case $name in {_pattern(request.unstripped)}) ;; *) {strip} ;; esac"
    return f"        {strip}\n"


def _expected(names: Sequence[str]) -> str:
    """That modules were built which must be."""
    wanted = sorted({module_name(name) for name in names})
    if not wanted:
        return ""
    return (
        f"for name in {_escape(' '.join(map(shlex.quote, wanted)))}; do\n"
        '    grep -qxF "$name" .modules.built || { echo "error: kbuild did not make $name; it made $(sort -u'
        " .modules.built | tr '\\n' ' ')\" >&2; exit 1; }\n"
        "done\n"
    )


def _pattern(names: Sequence[str]) -> str:
    return _escape(" | ".join(shlex.quote(module_name(name)) for name in names))


def _makes(driver: DriverSource) -> str:
    """The calls of make, in their order; each sees the symbols of those before it. Where the driver has a Makefile
    of its own that is to be called, that instead."""
    request = driver.request
    symbols = [_variable(f"SOURCE{number + 1}") for number in range(driver.symbols)]
    macros = [_variable("macros")] if request.macros() else []
    lines, own = [], []
    for call in request.own_makes:
        words = own_arguments(request, call, _place(symbols), macros=macros, debug=driver.debug)
        own.append(_call(request.called_in(""), words))
    for folder in request.kbuild_dirs:
        words = kbuild_arguments(request, folder, _place(symbols), macros=macros, debug=driver.debug)
        lines.append(_call(request.called_in(folder), words))
        symbols.append(f"{_variable('sources')}/{folder.strip('/')}/Module.symvers".replace("//", "/"))
    if not own:
        return "".join(lines)
    there = " || ".join(f"test -f {name}" for name in OWN_MAKEFILES)
    return "".join([f"if {there}; then\n", *own, "else\n", *lines, "fi\n"])


def _place(symbols: Sequence[str]) -> KbuildPlace:
    return KbuildPlace(
        _variable("tree"), _variable("sources"), _variable("kernel"), tuple(symbols), _variable("map")
    )


def _call(folder: str, words: Sequence[str]) -> str:
    place, said = _escape(shlex.quote(folder)), " ".join(map(_word, words))
    return f'(cd "$sources"/{place} && make %{{?_smp_mflags}} {said} {_PREFIX})\n'


#: A compiler that is called by ccache or distcc; the last word of a name counts for make.
_PREFIX = '${prefix:+"CC=$prefix $cc"}'


def _words(words: Sequence[str]) -> str:
    """The words of a command of the driver's, with the kit's folders for their placeholders."""
    meanings = {SOURCES: "sources", TREE: "tree", KERNEL: "kernel"}
    meant = list(words)
    for text, name in meanings.items():
        meant = [word.replace(text, _variable(name)) for word in meant]
    return " ".join(map(_word, meant))


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


def write_source_tar(
    target: Path, top: str, sources: Mapping[str, Path], time: int, links: Mapping[str, str] | None = None
) -> None:
    """The archive of a driver's sources and links below the folder ``top``: the same for the same names, content and
    executable bits. It appears whole or not at all."""
    names = driver_sources([*sources, *(links or {})])
    write_tar(
        target,
        {name: sources[name] for name in names if name in sources},
        time=time,
        top=top,
        links={name: links[name] for name in names if links and name in links},
        keep_executable=True,
    )
