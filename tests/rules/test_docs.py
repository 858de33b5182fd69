"""docs/rules.md is what the registry says."""

from __future__ import annotations

import pytest
from support import ROOT

from xspack_tool.rules.docs import rules_page
from xspack_tool.rules.registry import Rule, all_rules


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == rules_page(all_rules()), "make it anew: python -m xspack_tool.rules.docs docs/rules.md"


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_each_rule_has_its_examples(rule: Rule) -> None:
    assert rule.bad.strip() and rule.good.strip() and rule.bad != rule.good


def test_a_section() -> None:
    rule = Rule("K8", "E", "an RPM ships what depmod writes", "leave it out", "modules.dep\n", "acme.ko")
    assert rules_page([rule]).partition("\n## ")[2] == (
        "Kernel modules\n\n### K8 (E)\nAn RPM ships what depmod writes. This stops the build.\n\n"
        "**What to do:** Leave it out.\n\nBad:\n```text\nmodules.dep\n```\n\nGood:\n```text\nacme.ko\n```\n"
    )
