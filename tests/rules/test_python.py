"""B6: scripts, their interpreters, and the Python they are written in."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from xspack_tool.rules.python_syntax import syntax_problem

Verdict = Callable[..., list[str]]
TOOL = "/opt/acme/bin/tool"
PY2 = b"print >>f, 'x',\nexec 'a' in ns\nraise E, 'm', tb\nx = `1`\nif a <> 0777L: pass\ndef f((a, b), c): pass\n"
WALRUS = b"(y := 1)\n"


def script(verdict: Verdict, text: bytes, profile: str = "xenserver-8", **fields: object) -> list[str]:
    """What B6 says of an executable script."""
    files = {TOOL: text, **fields.pop("files", {})}  # type: ignore[dict-item]
    return verdict("B6", profile, files=files, modes={TOOL: 0o755}, **fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"#!/usr/bin/python3\n" + WALRUS, "Python 3.6 cannot parse it: line 2: "),
        (b"#!/usr/bin/python3\nprint 'x'\n", "Python 3.6 cannot parse it: line 2: "),
        (
            b"#!/usr/bin/env python\nprint(f'{x}')\n",
            "Python 2.7 cannot parse it: line 2: an f-string is of Python 3",
        ),
        (
            b"#!/usr/bin/python2\nasync def f(): pass\n",
            "Python 2.7 cannot parse it: line 2: async is of Python 3",
        ),
    ],
)
def test_python_that_the_interpreter_cannot_parse(verdict: Verdict, text: bytes, said: str) -> None:
    (found,) = script(verdict, text)
    assert found.startswith(f"W {TOOL}: {said}")


def test_a_module_that_no_python_of_the_release_can_parse(verdict: Verdict) -> None:
    (found,) = verdict("B6", files={"/opt/acme/acme.py": b"match a:\n    case 1: pass\n"})
    assert found.startswith("W /opt/acme/acme.py: Python 2.7 and 3.6 cannot parse it: line ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/opt/acme/old.py", PY2),
        ("/opt/acme/new.py", b"print(f'{x}', file=y)\n"),
        ("/usr/lib/python2.7/site-packages/acme.py", PY2),
        ("/usr/lib/python3.6/site-packages/acme.py", b"print(f'{x}')\n"),
        ("/usr/share/doc/acme/example.py", WALRUS),
        ("/opt/acme/empty.py", b""),
    ],
)
def test_python_that_some_interpreter_can_parse(verdict: Verdict, path: str, text: bytes) -> None:
    assert verdict("B6", files={path: text}) == []


def test_libraries_are_for_their_own_version(verdict: Verdict) -> None:
    path = "/usr/lib/python3.6/site-packages/acme.py"
    (found,) = verdict("B6", files={path: PY2})
    assert found.startswith(f"W {path}: Python 3.6 cannot parse it: line 5: ")


def test_nothing_is_judged_by_an_unknown_python(verdict: Verdict) -> None:
    assert verdict("B6", "xenserver-9", files={"/opt/acme/acme.py": PY2}) == []
    assert script(verdict, b"#!/usr/bin/python3\n" + PY2, "xenserver-9") == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (b"x: int = 1\n", "line 1: an annotated variable is of Python 3"),
        (b"def f(*, a): pass\n", "line 1: a keyword-only or positional-only argument is of Python 3"),
        (b"def f(a: int): pass\n", "line 1: an annotation is of Python 3"),
        (b"def f() -> int: pass\n", "line 1: an annotation is of Python 3"),
        (b"class A(metaclass=M): pass\n", "line 1: a class keyword such as metaclass= is of Python 3"),
        (b"raise A from b\n", "line 1: raise .. from is of Python 3"),
        (b"x = [*a, *b]\n", "line 1: an unpacking with * is of Python 3"),
        (b"x = {**a}\n", "line 1: an unpacking with ** is of Python 3"),
        (b"def f():\n    nonlocal x\n    yield from y\n", "line 2: nonlocal is of Python 3"),
        (b"a @ b\n", "line 1: the operator @ is of Python 3"),
        (b"print('a', file=f)\n", "line 1: print() with a keyword is of Python 3"),
        (
            b"\nx = '\xc3\xa9'\n",
            "line 2: a character outside ASCII, and no coding declaration, which Python 2 wants",
        ),
        (b"from __future__ import print_function\nprint('a', file=f)\n", ""),
        (b"# -*- coding: utf-8 -*-\nx = '\xc3\xa9'\n", ""),
        (b"\xef\xbb\xbfx = '\xc3\xa9'\n", ""),
        (b"print('a')\n", ""),
        (b"with a, b: pass\n", ""),
        (PY2, ""),
    ],
)
def test_python2(source: bytes, problem: str) -> None:
    if b"nonlocal" in source:
        source = b"x = 1\n" + source
        problem = problem.replace("line 2", "line 3")
    assert syntax_problem(source, (2, 7)) == problem


@pytest.mark.parametrize("version", [(2, 7), (3, 6)])
@pytest.mark.parametrize(
    "source", [b"def f(:\n", b"a\0b\n", b"x = = 1\n", b"'''open\n", b"-" * 100_000 + b"1", b"\xff\xfe"]
)
def test_what_is_no_python(source: bytes, version: tuple[int, int]) -> None:
    assert syntax_problem(source, version) or (version == (2, 7) and source.startswith((b"-", b"\xff")))


def test_a_newer_python_than_this_one_is_not_judged() -> None:
    assert syntax_problem(b"x = = 1\n", (3, sys.version_info.minor + 1)) == ""


@pytest.mark.parametrize(
    "source",
    [
        *(
            "print >>sys.stderr, 'x'",
            "print 'a' % b,",
            "print",
            "exec 'a' in d",
            "x = `a`",
            "raise E, 'x', tb",
        ),
        *("x = 0777", "x = ur'a'", "a <> b", "x = 10L", "def f((a, b)): pass", "lambda (a, b): a"),
        *("try:\n    pass\nexcept (A, B), e:\n    print e", "if x:\n\tprint 1\n        print 2"),
        *("x = [i for i in 1, 2]", "assert isinstance(x, (int, long)), 'a'; print 1"),
    ],
)
def test_statements_of_python_2_alone(source: str) -> None:
    assert syntax_problem(f"{source}\n".encode(), (2, 7)) == ""


@pytest.mark.parametrize(
    "source",
    ["print f(a=)", "print 'x'; async def f(): pass", "type X = int; print 'x'", "print 'x"],
)
def test_neither_python(source: str) -> None:
    assert syntax_problem(f"{source}\n".encode(), (2, 7)).startswith("line ")
