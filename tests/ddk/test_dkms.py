"""dkms.conf files of all kinds, read and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from xspack_tool.ddk.dkms import DkmsConf, DkmsModule, Exclusive, Patch, excluded, parse_dkms
from xspack_tool.errors import BadInput

HEAD = 'PACKAGE_NAME="acme"\nPACKAGE_VERSION=1.0\n'


def test_the_smallest() -> None:
    assert parse_dkms(HEAD) == DkmsConf("acme", "1.0", (DkmsModule("acme"),), ("",))


def test_modules_in_folders_by_their_own_makefile() -> None:
    conf = parse_dkms(
        HEAD + 'BUILT_MODULE_NAME[0]="acme"\nBUILT_MODULE_NAME[1]=${PACKAGE_NAME}-nic\n'
        "BUILT_MODULE_NAME[2]=acme-hw\n"
        'BUILT_MODULE_LOCATION[0]="core/"\nBUILT_MODULE_LOCATION[1]=./nic\nBUILT_MODULE_LOCATION[2]=nic/hw\n'
        "DEST_MODULE_LOCATION[1]='/kernel/drivers/net/'\n"
        'MAKE[0]="make KVER=$kernelver DEBUG=1 -C ${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build"\n'
    )
    nic = DkmsModule("acme-nic", "nic", "kernel/drivers/net")
    modules = (DkmsModule("acme", "core"), nic, DkmsModule("acme-hw", "nic/hw"))
    assert conf == DkmsConf(
        "acme",
        "1.0",
        modules,
        ("core", "nic"),
        {"KVER": "$(XSPACK_KERNEL)", "DEBUG": "1"},
        own_makes=(("KVER=$(XSPACK_KERNEL)", "DEBUG=1", "-C", "$(XSPACK_SOURCES)"),),
    )


def test_kbuild_calls() -> None:
    conf = parse_dkms(
        HEAD + 'BDIR="$dkms_tree/${PACKAGE_NAME}/${PACKAGE_VERSION}/build"\n'
        'MAKEARGS="-C $kernel_source_dir TOP=${BDIR}/inc V=1 CONFIG_ACME=m"\n'
        'MAKE="make ${MAKEARGS} M=${BDIR}/core modules && '
        "'make' -j2 -C $kernel_source_dir M=$BDIR/nic modules\"\n"
    )
    assert conf.kbuild_dirs == ("core", "nic")
    assert conf.make_variables == {"TOP": "$(XSPACK_SOURCES)/inc"}
    assert conf.config == {"ACME": "m"}


@pytest.mark.parametrize(
    ("make", "variables"),
    [
        (r'''"make 'M=$kernelver' CC=\"gcc -m64\" A=a\\ b"''', {"CC": "gcc -m64", "A": "a b"}),
        ("'B=2 make A=1 >log 2>&1 || exit 1'", {"B": "2", "A": "1"}),
        ("""'make A=1 C="#" # B=2'""", {"A": "1", "C": "#"}),
        ("'(cd x && $MAKE A=1); $(MAKE) B=2'", {"A": "1", "B": "2"}),
    ],
)
def test_words_are_those_of_bash(make: str, variables: dict[str, str]) -> None:
    assert parse_dkms(HEAD + f"MAKE={make}\n").make_variables == variables


@pytest.mark.parametrize(
    "make",
    [
        "'make -C $kernel_source_dir M=$dkms_tree/${PACKAGE_NAME}/$PACKAGE_VERSION/build A=$kernelver-$arch'",
        '"make -C $kernel_source_dir M=$dkms_tree/acme/1.0/build A=\\$kernelver-$arch"',
    ],
)
def test_variables_in_single_quotes_are_put_in_when_dkms_runs_it(make: str) -> None:
    conf = parse_dkms(HEAD + f"MAKE={make}\n")
    assert conf.kbuild_dirs == ("",) and not conf.own_makes and not conf.refused
    assert conf.make_variables == {"A": "$(XSPACK_KERNEL)-x86_64"}


@pytest.mark.parametrize(
    "make", ["'make A=$FLAVOUR'", "'make A=$(uname -m)'", "'make A=`uname -m`'", "'make A=${SOMETIMES}'"]
)
def test_what_only_running_it_tells_is_refused(make: str) -> None:
    conf = parse_dkms(HEAD + f"[ -e /x ] && SOMETIMES=1\nFLAVOUR=$(cat /y)\nMAKE={make}\n")
    assert conf.refused == ("MAKE is known only when it is run, or depends on a condition",)


@pytest.mark.parametrize(
    "version",
    [
        "",
        "PACKAGE_VERSION=$(cat VERSION)\n",
        "PACKAGE_VERSION=`cat VERSION`\n",
        "PACKAGE_VERSION=1.0\nif [ -e /x ]; then\n  PACKAGE_VERSION=2.0\nfi\n",
    ],
)
def test_a_version_that_only_running_it_tells(version: str) -> None:
    """All the rest is known: a declaration has to give the version alone."""
    tree = "$dkms_tree/$PACKAGE_NAME/${PACKAGE_VERSION}/build"
    if not version:
        tree = "$dkms_tree/$PACKAGE_NAME/build"
    text = (
        f'PACKAGE_NAME=acme\n{version}BUILT_MODULE_NAME=nic\nMAKE="make -C $kernel_source_dir M={tree} A=1"\n'
    )
    conf = parse_dkms(text)
    assert (conf.name, conf.version, [one.name for one in conf.modules]) == ("acme", "", ["nic"])
    if version:
        assert (conf.kbuild_dirs, conf.make_variables, conf.refused) == (("",), {"A": "1"}, ())
        told = parse_dkms(text.replace("A=1", "A=$PACKAGE_VERSION"))
        assert told.refused == ("MAKE is known only when it is run, or depends on a condition",)


@pytest.mark.parametrize(
    "jobs",
    [
        "-j$(nproc)",
        "-j `nproc`",
        "-j$PROCS_NUM",
        "-j${PROCS_NUM}",
        "-j4",
        "--jobs=$(nproc)",
        "-j$((PROCS_NUM+1))",
    ],
)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_how_many_jobs_is_not_for_a_driver_to_say(jobs: str, quote: str) -> None:
    """As in the dkms.conf of most drivers for Realtek's cards."""
    counted = "PROCS_NUM=`nproc`\n[ $PROCS_NUM -gt 16 ] && PROCS_NUM=16\n"
    conf = parse_dkms(HEAD + f"{counted}MAKE={quote}make {jobs} KVER=$kernelver all{quote}\n")
    assert conf.refused == () and conf.make_variables == {"KVER": "$(XSPACK_KERNEL)"}
    assert not any("j" in word for call in conf.own_makes for word in call)


def test_shell_that_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    conf = parse_dkms(
        HEAD + f'touch {mark}\nX="$(touch {mark})"\nY=`touch {mark}`\ni=0\n. {mark}\n'
        "BUILT_MODULE_NAME[$i]=one; i=$((i+1))\nBUILT_MODULE_NAME[$i]=$X\ni=$(( $i + 1 ))\n"
        'if [ -n "$CONFIG_NET" ]; then\n  BUILT_MODULE_NAME[$i]="maybe"\nfi\nBUILT_MODULE_NAME[$i]=two\n'
        'PATCH[0]="fix.patch"\nAUTOINSTALL=yes\nMAKE="make $X"\n'
    )
    assert [module.name for module in conf.modules] == ["one", "two"]
    assert not conf.names_all and conf.patches == (Patch("fix.patch"),)
    assert conf.refused == ("MAKE is known only when it is run, or depends on a condition",)
    assert not mark.exists()


def test_several_on_a_line_and_arrays() -> None:
    conf = parse_dkms("PACKAGE_NAME=a PACKAGE_VERSION=1\nBUILT_MODULE_NAME=(x y)\nexport MAKE=make\n")
    assert (conf.name, conf.version, [module.name for module in conf.modules]) == ("a", "1", ["x", "y"])


@pytest.mark.parametrize(
    "text", ["", "PACKAGE_VERSION=1\n", 'PACKAGE_NAME="$(id)"\nPACKAGE_VERSION=1\n', "\0(((", "if"]
)
def test_what_names_no_package(text: str) -> None:
    with pytest.raises(BadInput, match=r"^dkms\.conf: a dkms\.conf assigns PACKAGE_NAME, "):
        parse_dkms(text)


def test_hostile() -> None:
    grows = 'A="12345678"\n' + 'A="$A$A"\n' * 60
    assert parse_dkms(grows + HEAD + "BUILT_MODULE_NAME[0]=$A\nBUILT_MODULE_NAME[1]=b\n").modules == (
        DkmsModule("b"),
    )
    deep = parse_dkms(HEAD + 'MAKE="' + "( " * 5000 + "make DEBUG=1" + ")" * 5000 + '"\n')
    assert (deep.make_variables, deep.refused) == ({"DEBUG": "1"}, ())


def test_the_numbers_of_modules_may_have_gaps() -> None:
    """What is said of a module goes by its number, not by its place among them."""
    text = "BUILT_MODULE_NAME[0]=a\nBUILT_MODULE_NAME[2]=c\nBUILT_MODULE_NAME[3]=d\nSTRIP[2]=no\n"
    assert parse_dkms(HEAD + text).unstripped == ("c",)


def test_too_large() -> None:
    with pytest.raises(BadInput, match=r"^x: a dkms\.conf of more than 1024 KiB$"):
        parse_dkms("#" * 2**20 + "#", "x")


def test_what_is_asked_of_a_kit() -> None:
    """Each value that depends on the kernel stands for the kit's."""
    conf = parse_dkms(
        HEAD + "K=$kernel_source_dir\n"
        'MAKE="KSRC=$K make VER=$kernelver INC=${K}/include V=1 SRC=$dkms_tree/acme/1.0/build/inc all"\n'
        'PRE_BUILD="./configure $kernelver $kernel_source_dir --quiet"\nPOST_INSTALL=x.sh\nSTRIP[0]=no\n'
        'PATCH[0]=a.patch\nPATCH[1]=b.patch\nPATCH_MATCH[1]="^3\\."\n'
    )
    assert conf.make_variables == {
        "KSRC": "$(XSPACK_TREE)",
        "VER": "$(XSPACK_KERNEL)",
        "INC": "$(XSPACK_TREE)/include",
        "SRC": "$(XSPACK_SOURCES)/inc",
    }
    assert conf.prepare == ("./configure", "$(XSPACK_KERNEL)", "$(XSPACK_TREE)", "--quiet")
    assert conf.patches == (Patch("a.patch"), Patch("b.patch", "^3\\."))
    assert (conf.unstripped, conf.not_run, conf.refused) == (("acme",), ("POST_INSTALL",), ())


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('MAKE="./configure && make"\n', "MAKE runs configure"),
        ('MAKE="make; find . -name x.ko -exec mv {} . \\;"\n', None),
        (
            "if test -f x; then MAKE=make; fi\n",
            "MAKE is known only when it is run, or depends on a condition",
        ),
        ("MAKE[1]=make\nMAKE_MATCH[1]=^2\n", "MAKE_MATCH is not supported"),
        ("POST_BUILD=x.sh\n", "POST_BUILD is not supported"),
        ("PRE_BUILD=$(id)\n", "PRE_BUILD is known only when it is run, or depends on a condition"),
        (
            "BUILT_MODULE_NAME[0]=acme\nDEST_MODULE_NAME[0]=acme\nDEST_MODULE_NAME[1]=other\n",
            "DEST_MODULE_NAME[1] is not supported",
        ),
    ],
)
def test_refused_by_name(text: str, refused: str | None) -> None:
    assert parse_dkms(HEAD + text).refused == ((refused,) if refused else ())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Exclusive(), ""),
        (Exclusive("^6[.]1", "x86", ("CONFIG_PCI", "!CONFIG_RT"), "5.4", "6.1"), ""),
        (Exclusive("(", "("), ""),
        (Exclusive("^5"), "its BUILD_EXCLUSIVE_KERNEL is for other kernels: ^5"),
        (Exclusive(arches="^arm"), "its BUILD_EXCLUSIVE_ARCH is for other machines: ^arm"),
        (Exclusive(lowest="6.10"), "its BUILD_EXCLUSIVE_KERNEL_MIN is 6.10"),
        (Exclusive(highest="6.0.9"), "its BUILD_EXCLUSIVE_KERNEL_MAX is 6.0.9"),
        (
            Exclusive(config=("CONFIG_USB",)),
            "its BUILD_EXCLUSIVE_CONFIG has CONFIG_USB, which the kernel's configuration does not meet",
        ),
        (
            Exclusive(config=("!CONFIG_PCI",)),
            "its BUILD_EXCLUSIVE_CONFIG has !CONFIG_PCI, which the kernel's configuration does not meet",
        ),
    ],
)
def test_kernels_it_is_for(given: Exclusive, why: str) -> None:
    assert excluded(given, "6.1-50", "x86_64", {"PCI": "y"}.get) == why


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("MAKE='make KVER=$kernelver all'\n", ()),
        ("MAKE='make -C $kernel_source_dir M=/var/lib/dkms/acme/1.0/build acme.ko'\n", ()),
        ("MAKE='make acme.ko'\n", (("acme.ko",),)),
        ('MAKE="make KVER=$kernelver acme.ko"\n', (("KVER=$(XSPACK_KERNEL)", "acme.ko"),)),
        (
            'BUILT_MODULE_LOCATION=drv\nMAKE="make modules; X=1 make -C $dkms_tree/acme/1.0/build"\n',
            (("modules",), ("X=1", "-C", "$(XSPACK_SOURCES)")),
        ),
    ],
)
def test_calls_of_its_own_makefile(text: str, calls: tuple[tuple[str, ...], ...]) -> None:
    """Where the modules lie elsewhere, or it has a goal of its own."""
    assert parse_dkms(HEAD + text).own_makes == calls
