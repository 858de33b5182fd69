"""``pack``, ``pack:<label>`` and ``check``: aliases that are there without a word in the SConstruct."""

from __future__ import annotations

from SCons.Node.Alias import default_ans

from xspack_tool.plan.package import is_broken
from xspack_tool.plan.session import session


def make_aliases() -> None:
    """Make those that the user did not: of each kind that has one for all, and for each of its targets."""
    if not session().aliases:
        return
    env, _ = session().environments[0]
    own = {name: _is_made(name) for name, _, _ in session().aliases}
    for name, label, nodes in session().aliases:
        for node in nodes:
            packed = getattr(node.attributes, "xspack_packed", None)
            env.Alias(f"{name}:{packed.pack.label if packed else label}", node)
        if not own[name]:
            env.Alias(name, nodes)
        # `check` judges what can be judged, and tells what is wrong with the rest.
        env.Alias("check", [node for node in nodes if is_broken(node)])


def _is_made(name: str) -> bool:
    alias = default_ans.lookup(name)
    return alias is not None and bool(alias.sources)
