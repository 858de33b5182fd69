"""R2 on finished packs: the remove script is read out of the control RPM, the payload's names out of its RPMs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pack_maker import PACK, TIME, UUID, PackMaker

from xspack_tool.cli.context import pack_context
from xspack_tool.hosts.reading import open_pack
from xspack_tool.releases import load_profile
from xspack_tool.rpm.scriptlets.remove import removal_script
from xspack_tool.rules.engine import check_pack
from xspack_tool.rules.registry import all_rules

GOOD = removal_script("acme", UUID, "control-acme", "update-acme", ["agent", "tool"])
REMEDY = (
    "declare remove=True to have it written; the steps are: copy itself away, update-pool-clean, erase "
    "update-<label> and the payload, delete the applied record, update-resync-host, update-destroy, "
    "erase control-<label>"
)
#: The bad script, and the step that it misses.
CASES = {
    "disk": (
        GOOD.replace("ask update-pool-clean", "ask update-list"),
        "it does not free the pack's disk (xe update-pool-clean)",
    ),
    "payload": (GOOD.replace(" tool", ""), "it does not erase tool"),
    "record": (
        GOOD.replace(f" && rm -f /var/update/applied/{UUID}", ""),
        f"it does not delete /var/update/applied/{UUID}",
    ),
    "control": (GOOD.replace("erase control-acme", ":"), "it does not erase control-acme"),
}


@pytest.fixture(scope="module")
def payload(forged: Callable[..., Path]) -> list[Path]:
    return [forged(name=name, files={f"/opt/{name}": b"x"}) for name in ("agent", "tool")]


@pytest.fixture(scope="module")
def findings(payload: list[Path], make_pack: PackMaker) -> Callable[[str | None], list[str]]:
    """What R2 says of a pack with this remove script."""

    def judge(remove: str | None) -> list[str]:
        pack = open_pack(make_pack(PACK, payload, remove=remove, signer=None))
        context = pack_context(pack, load_profile("xenserver-8"), None, None, TIME)
        return [str(one) for one in check_pack(context, [rule for rule in all_rules() if rule.id == "R2"])]

    return judge


@pytest.mark.parametrize("case", CASES)
def test_a_bad_pack(findings: Callable[[str], list[str]], case: str) -> None:
    script, found = CASES[case]
    assert findings(script) == [f"E R2 remove: {found}; {REMEDY}"]


@pytest.mark.parametrize("script", [GOOD, None], ids=["generated", "none"])
def test_a_good_pack(findings: Callable[[str | None], list[str]], script: str | None) -> None:
    assert findings(script) == []
