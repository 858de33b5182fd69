"""What runs on a kit: POSIX shell that leaves nothing behind, for dash and for the bash of CentOS 7."""

from __future__ import annotations

#: Statuses by which the scripts say what is wrong.
LACKS_PROGRAM, NO_TREE, CHANGED, BUILD_FAILED, NO_SPACE = 73, 74, 75, 76, 77
#: Before each BuildRequires that a kit lacks, at the end of what a build said there.
LACKS_REQUIREMENT = "xspack: it lacks "
#: Whether rpm's database knows the machine: then rpmbuild looks for BuildRequires itself, and refuses.
IN_DATABASE = "rpm -q --whatprovides /bin/sh >/dev/null 2>&1"

#: Finds the kernel tree ($1 or the machine's own) and prints the facts of the kit, a line each.
_FACTS = f"""\
for program in rpmbuild make gcc strip tar base64 sha256sum setsid; do
    if ! command -v "$program" >/dev/null 2>&1; then
        echo "$program" >&2
        exit {LACKS_PROGRAM}
    fi
done
tree=$1
if test -z "$tree"; then
    for found in "/lib/modules/$(uname -r)/build" /lib/modules/*/build /usr/src/kernels/*; do
        test -f "$found/Module.symvers" || continue
        found=$(cd "$found" && pwd -P)
        case $tree in
            "" | "$found") tree=$found ;;
            *) echo "it has several kernel build trees, among them $tree and $found: name one of them, tree=" >&2
               exit {NO_TREE} ;;
        esac
        test "$found" = "$(cd "/lib/modules/$(uname -r)/build" 2>/dev/null && pwd -P)" && break
    done
fi
if ! test -f "$tree/Module.symvers" || ! test -f "$tree/include/generated/utsrelease.h"; then
    echo "there is no built kernel tree at ${{tree:-/lib/modules/$(uname -r)/build}}: install kernel-devel there" >&2
    exit {NO_TREE}
fi
tree=$(cd "$tree" && pwd -P)
generated=$tree/include/generated
read_facts() {{
    echo "tree=$tree"
    echo "kernel=$(sed -n 's/^#define UTS_RELEASE "\\(.*\\)"$/\\1/p' "$generated/utsrelease.h")"
    echo "arch=$(rpm --eval '%{{_target_cpu}}')"
    echo "release=$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME" || head -n1 /etc/redhat-release)"
    echo "compiler=$(gcc --version | head -n1)"
    made=$(sed -n 's/^#define LINUX_COMPILER "\\(.*\\)"$/\\1/p' "$generated/compile.h" 2>/dev/null)
    test -n "$made" ||
        made=$(sed -n 's/^#define CONFIG_CC_VERSION_TEXT "\\(.*\\)"$/\\1/p' "$generated/autoconf.h")
    echo "kernel_compiler=$made"
    echo "rpm=$(rpmbuild --version | head -n1)"
    echo "signed_by=$(sed -n 's/^#define CONFIG_MODULE_SIG_HASH "\\(.*\\)"$/\\1/p' "$generated/autoconf.h")"
    cd "$tree"
    set -- Module.symvers include/generated/autoconf.h include/generated/utsrelease.h
    test ! -f include/generated/compile.h || set -- "$@" include/generated/compile.h
    echo "digest=$(sha256sum "$@" | sha256sum | cut -d' ' -f1)"
    cd /
}}
"""

FACTS = f"set -u\numask 077\n{_FACTS}read_facts\n"

#: $1 tree, $2 facts expected, $3 the most bytes. Prints the size of Module.symvers in a line, then the file. The facts
#: are compared after it was read: if they still hold, it is the file that they speak of.
SYMVERS = f"""\
set -u
umask 077
{_FACTS}
size=$(($(wc -c < "$tree/Module.symvers")))
if test "$size" -gt "$3"; then
    echo "its Module.symvers has $size bytes: no kernel's has more than $3" >&2
    exit {NO_TREE}
fi
echo "$size"
head -c "$size" "$tree/Module.symvers"
test "$(read_facts)" = "$2" || exit {CHANGED}
"""

#: What the kit's own spec macro %{dist} is.
DIST = "rpm --eval '%{?dist}'"

#: $1 tree, $2 facts expected, $3 size of the source RPM (which comes by stdin), $4 SOURCE_DATE_EPOCH, $5 what rpmbuild
#: is to do (--rebuild, --recompile), $6 ccache or distcc or nothing; all others are options of rpmbuild. The RPMs, and
#: what the spec puts into %{xspack_made}, go back in base64 of a tar. ccache and distcc have their settings and their
#: cache where the kit has them, and find what another job compiled by its path: theirs is the same, unless another job
#: is there now. The lock of its folder, which stays, is held by the watcher too. A kit that is ours alone has a fixed
#: place, XSPACK_JOB.
#: Elsewhere the folder's name holds the shell's process id: of what a crash or a power cut left, the next build clears
#: up. A watcher ends the build when sshd, our parent, is gone: the connection is lost; or the shell itself, which a
#: worker of a grid kills with its process group when nobody waits for the job any more.
BUILD = f"""\
set -u
umask 077
exec 3>&1 1>&2
parent=$PPID
room=${{TMPDIR:-/var/tmp}}
for old in "$room"/xspack-ddk.*; do
    owner=${{old#"$room"/xspack-ddk.}}
    owner=${{owner%%.*}}
    test -d "$old" && test -O "$old" && ! kill -0 "$owner" 2>/dev/null && rm -rf "$old"
done
top=
build=
watcher=
leave() {{
    trap '' HUP INT TERM PIPE
    test -z "$watcher" || kill "$watcher" 2>/dev/null
    test -z "$build" || kill -s KILL -- "-$build" 2>/dev/null
    cd /
    test -z "$top" || rm -rf "$top"
}}
trap leave EXIT
trap 'exit 1' HUP INT TERM PIPE
if test -n "${{XSPACK_JOB:-}}"; then
    top=$XSPACK_JOB
    mkdir "$top" || exit {NO_SPACE}
else
    place=$room/xspack-ddk-$(id -u)
    if test -n "$6" && command -v flock >/dev/null 2>&1; then
        mkdir "$place" 2>/dev/null
        if test -d "$place" && test ! -L "$place" && test -O "$place" && exec 9< "$place" && flock -n 9; then
            top=$place/job
            rm -rf "$top" && mkdir "$top" || exit {NO_SPACE}
        fi
    fi
    test -n "$top" || top=$(mktemp -d "$room/xspack-ddk.$$.XXXXXX") || exit {NO_SPACE}
fi
{_FACTS}
facts=$(read_facts)
if test "$facts" != "$2"; then
    exit {CHANGED}
fi
mkdir "$top/tmp" && cat > "$top/source.rpm" || exit {NO_SPACE}
if test "$(wc -c < "$top/source.rpm")" -ne "$3"; then
    echo "the source RPM did not arrive whole" >&2
    exit {NO_SPACE}
fi
: > "$top/lacking"
epoch=$4
how=$5
prefix=$6
shift 6
if test -n "$prefix"; then
    if ! command -v "${{prefix%% *}}" >/dev/null 2>&1; then
        echo "${{prefix%% *}}" >&2
        exit {LACKS_PROGRAM}
    fi
    cache=${{XDG_CACHE_HOME:-${{HOME:-/}}/.cache}}/ccache
    test ! -d "${{HOME:-/}}/.ccache" || cache=$HOME/.ccache
    export CCACHE_DIR="${{CCACHE_DIR:-$cache}}" DISTCC_DIR="${{DISTCC_DIR:-${{HOME:-/}}/.distcc}}"
fi
export HOME=$top
{IN_DATABASE} || set -- "$@" --nodeps
case " $* " in *" --nodeps "*)
    # By their names, which are other ones on Debian: they are told, and stop nothing.
    rpm -qp --nosignature --requires "$top/source.rpm" 2>/dev/null | while read -r name rest; do
        case $name in "rpmlib("* | "("*) continue ;; esac
        rpm -q --whatprovides -- "$name" || command -v "$name" || test -e "$name" ||
            test "$(dpkg-query --show --showformat='${{db:Status-Status}}' -- "$name")" = installed ||
            echo "{LACKS_REQUIREMENT}$name${{rest:+ $rest}}" >&2
    done >/dev/null 2>"$top/lacking" ;;
esac
TMPDIR=$top/tmp SOURCE_DATE_EPOCH=$epoch XSPACK_COMPILER_PREFIX=$prefix setsid rpmbuild "$how" \\
    --define "_topdir $top" --define "_tmppath $top/tmp" --define "kernel_tree $tree" \\
    --define "xspack_made $top/made" "$@" "$top/source.rpm" > "$top/log" 2>&1 < /dev/null 3>&- 9>&- &
build=$!
setsid sh -c '
    while kill -0 "$1" && kill -0 "$2"; do sleep 1 9>&-; done
    kill -s KILL -- "-$3"
    kill -0 "$2" || rm -rf "$4"
' watcher "$parent" $$ "$build" "$top" > /dev/null 2>&1 < /dev/null 3>&- &
watcher=$!
if ! wait "$build"; then
    build=
    # Even the log may have found no space: what counts is whether there is some now.
    head -c 262144 /dev/zero > "$top/probe" || exit {NO_SPACE}
    tail -c 200000 "$top/log" >&2
    grep '^{LACKS_REQUIREMENT}' "$top/lacking" >&2
    exit {BUILD_FAILED}
fi
build=
grep '^{LACKS_REQUIREMENT}' "$top/lacking" >&2
# Warnings, without the folder in which rpmbuild unpacked the sources.
grep 'warning:' "$top/log" | sed "s#$top/BUILD/[^/]*/##g" >&2
cd "$top"
mkdir result
# By rpm's usual names: a spec may call the files as it likes.
test ! -d RPMS || find RPMS -name '*.rpm' | while read -r rpm; do
    name=$(rpm -qp --nosignature --queryformat '%{{NAME}}-%{{VERSION}}-%{{RELEASE}}.%{{ARCH}}.rpm' "$rpm")
    case $name in
        *-debuginfo-* | *-debugsource-*) ;;
        *) mv "$rpm" "result/$name" || exit {NO_SPACE} ;;
    esac
done || exit {NO_SPACE}
test ! -d made || mv made/* result
tar -C result -cf result.tar . && base64 < result.tar >&3 || exit {NO_SPACE}
"""
