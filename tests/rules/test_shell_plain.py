"""Scripts that are taken as readable without asking a shell: bash must agree on each."""

import random
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import need

from xspack_tool.rules.shell.plain import is_plain

PLAIN = [
    'mkdir -p /var/lib/acme && echo "x $1" >>/var/lib/acme/installed || :\n',
    "if [ -e /etc/a ]; then\n  echo found\nelse\n  exit 1\nfi\n",
    "if [ $1 -eq 0 ]; then systemctl disable a.service >/dev/null 2>&1 || :; fi\nexit 0\n",
    "while read a; do echo $a; done < /etc/x\n",
    "! grep -q x /y && sleep 1 &\nwait\n",
    "if ! test -f /a; then\n:\nelif true\nthen echo b # c\nelse echo d; fi\n",
    "echo 'a b' \"c$d\" e=f 2>/dev/null\n",
]
#: The grammar reads each without an error, and bash does not.
GRAMMAR_ALONE = [
    "fi\n",
    "if true; then fi\n",
    "if true; then # nothing\nfi\n",
    "while true; do done\n",
    "echo a > 2>&1\n",
    "echo a >\n",
    "while read a; do echo $a; done < b c\n",
    "while true; do$echo a; done\n",
    "echo a |! grep b\n",
    "if [ -e <<E /etc/a ]; then\n  echo found\nfi\n",
    "if [ -e \n if ]; then\n  echo found\nfi\n",
    "if [ 0&&while ]; then echo a; fi\n",
]
_TOKENS_WORDS = (
    "; & && || | if then else elif fi while do done for in case esac [ ] { } ( ) ! < > >> 2>&1 \" ' $ $a $1 ${a} $(b)"
    " echo a x=1 # = [[ ]] time function a() ;; <<E E -e * &> <<< until select <& >| $@ $# $$ $!"
)
_TOKENS = _TOKENS_WORDS.split()


def mutated(source: random.Random) -> str:
    """One or two of the plain scripts, with tokens lost, added and exchanged."""
    text = "".join(source.choices(PLAIN, k=source.randint(1, 2)))
    tokens = re.findall(r"\s+|[A-Za-z0-9_/.:=-]+|.", text, re.DOTALL)
    for _ in range(source.randint(1, 3)):
        place, other = source.randrange(len(tokens)), source.randrange(len(tokens))
        match source.randrange(3):
            case 0 if len(tokens) > 1:
                del tokens[place]
            case 1:
                blank = source.choice(["", " ", "\n"])
                tokens.insert(place, blank + source.choice(_TOKENS) + source.choice([" ", ""]))
            case _:
                tokens[place], tokens[other] = tokens[other], tokens[place]
    return "".join(tokens)


def refused(text: str) -> bool:
    return any(
        subprocess.run(["bash", *posix, "-n"], input=text.encode(), capture_output=True).returncode
        for posix in ([], ["--posix"])
    )


def check(seed: int, count: int) -> None:
    need("bash")
    source = random.Random(seed)
    plain = [text for text in (mutated(source) for _ in range(count)) if is_plain(text)]
    assert len(plain) > count // 10
    with ThreadPoolExecutor(4) as pool:
        assert [text for text, bad in zip(plain, pool.map(refused, plain), strict=True) if bad] == []


def test_usual_scripts_are_plain():
    assert [text for text in PLAIN if not is_plain(text)] == []


@pytest.mark.parametrize("text", GRAMMAR_ALONE)
def test_what_the_grammar_alone_reads(text):
    need("bash")
    assert not is_plain(text) and refused(text)


def test_bash_reads_what_is_plain():
    check(1, 1500)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_bash_reads_all_that_is_plain(seed):
    check(seed, 25_000)
