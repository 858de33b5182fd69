"""What is known of a shell script after reading it: commands in the order in which they run."""

from __future__ import annotations

import posixpath

from msgspec import Struct, field

from xspack_tool.rules.shell.branches import Branch, exclusive

#: What is known where a command runs (elements of :attr:`Command.guards`).
RUNNING = "running"  # a booted host: inside `if runlevel`, or systemd's own test
INSTALLING = "installing"  # no booted host: the other branch
ARGUMENT = "argument"  # the scriptlet's own $1 was looked at
PREVIOUS = "previous"  # XS_PREVIOUS_INSTALLATION is set
HAS = "has "  # + a program's name: it is installed
LACKS = "lacks "  # + a program's name: it is not

PREVIOUS_VARIABLE = "XS_PREVIOUS_INSTALLATION"

Guards = frozenset[str]
NOTHING: Guards = frozenset()


class Word(Struct, frozen=True):
    """A word after quotes were removed and known variables put in.

    ``refs`` are the names it was expanded from: variables that the script itself does not set, ``1`` for the
    scriptlet's argument, ``$(name`` for the output of a command. One with a fallback of its own (``${X:-y}``)
    has a ``+`` before it. What is not known stays in the text as ``$NAME``. ``success`` and ``failure`` hold
    what a zero or other value of it says, for ``$?`` and what is set from it.
    """

    text: str
    refs: frozenset[str] = frozenset()
    line: int = 0
    success: Guards = NOTHING
    failure: Guards = NOTHING
    #: The variable it comes from, where that may have several values.
    variable: str = ""

    @property
    def reads_argument(self) -> bool:
        return not self.refs.isdisjoint({"1", "+1"})


class Redirect(Struct, frozen=True):
    """``operator`` is ``<``, ``>``, ``>>``, .. or ``<<`` with the text itself in ``body``."""

    operator: str
    target: Word
    body: str = ""

    @property
    def writes(self) -> bool:
        return self.operator in (">", ">>", "&>", "&>>", ">|", "<>")


class Command(Struct, frozen=True):
    """One command as it runs, wrappers such as ``env`` and ``exec`` taken off.

    ``branch`` tells by which ways of which conditions it is reached; ``pipeline`` is a number that the
    members of one pipeline share, 0 outside of any. ``negated``: its status counts the other way round.
    """

    words: tuple[Word, ...]
    line: int
    guards: Guards = NOTHING
    branch: Branch = ()
    wrappers: tuple[str, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    background: bool = False
    pipeline: int = 0
    negated: bool = False

    @property
    def name(self) -> str:
        """The program's base name."""
        return posixpath.basename(self.words[0].text)

    @property
    def args(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words[1:])

    @property
    def operands(self) -> tuple[str, ...]:
        """The arguments that are no options."""
        return tuple(text for text in self.args if not text.startswith("-"))

    @property
    def shown(self) -> str:
        """The command as messages show it, at most 60 characters."""
        text = " ".join([self.name, *self.args]).replace("\n", " ")
        return text if len(text) <= 60 else text[:57] + "..."


class Outcome(Struct, frozen=True):
    """What is known where a statement succeeded, where it failed, and afterwards in any case.

    ``culprits`` are the commands whose failure is its failure, ``fatal`` those after which ``set -e`` ends
    the script. ``stops`` says that nothing runs after it: ``exit``, or ``return`` for the rest of a function.
    """

    if_true: Guards = NOTHING
    if_false: Guards = NOTHING
    afterwards: Guards = NOTHING
    culprits: tuple[Command, ...] = ()
    fatal: tuple[Command, ...] = ()
    stops: str = ""


class Exit(Struct, frozen=True):
    """An explicit ``exit`` or ``return`` of the script: its status as text, and whether a message went before it."""

    status: str
    line: int
    branch: Branch
    said: bool


class Script(Struct):
    """A script that was read. ``complete`` is False where it was too long or too deep to be followed to its end.

    ``last`` are the commands whose failure would be the script's own status; ``fatal`` those whose failure
    would end it, as after ``set -e``.
    """

    commands: list[Command] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    last: tuple[Command, ...] = ()
    fatal: list[Command] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    complete: bool = True
    grammatical: bool = True

    def before(self, command: Command) -> list[Command]:
        """The commands that may have run before ``command``."""
        place = next(n for n, other in enumerate(self.commands) if other is command)
        return [other for other in self.commands[:place] if not exclusive(other.branch, command.branch)]

    def after(self, command: Command) -> list[Command]:
        """The commands that may run after ``command``."""
        place = next(n for n, other in enumerate(self.commands) if other is command)
        return [other for other in self.commands[place + 1 :] if not exclusive(other.branch, command.branch)]

    def downstream(self, command: Command) -> list[Command]:
        """The members of its pipeline behind it."""
        if not command.pipeline:
            return []
        return [other for other in self.after(command) if other.pipeline == command.pipeline]
