"""What is generated from the program and committed is as it would be generated now."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from rebalancer.policy import load_policies, schema_text
from rebalancer.policy.equivalents import parse_equivalents
from rebalancer.policy.reference import filled_in, main
from rebalancer.policy.scenario import run_scenario
from tests.cli.commands import ROOT

DOCS = ROOT / "docs"
PAGE = (DOCS / "policies.md").read_text("utf-8")
ANEW = "run python -m rebalancer.policy.reference docs"


def test_the_page_is_up_to_date() -> None:
    equivalents = parse_equivalents((DOCS / "equivalents.yaml").read_text("utf-8"), "equivalents.yaml")
    assert filled_in(PAGE, equivalents) == PAGE, ANEW


def test_the_schema_is_up_to_date() -> None:
    assert (DOCS / "policy.schema.json").read_text("utf-8") == schema_text(), ANEW


def test_it_writes_both(tmp_path: Path) -> None:
    for name in ("policies.md", "equivalents.yaml"):
        (tmp_path / name).write_text((DOCS / name).read_text("utf-8"), "utf-8")
    main(str(tmp_path))
    assert (tmp_path / "policies.md").read_text("utf-8") == PAGE
    assert (tmp_path / "policy.schema.json").exists()


BLOCKS = [dedent(text) for text in re.findall(r"^ *```yaml\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)]


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_the_examples_of_the_page_run(text: str) -> None:
    if "kind: Scenario" in text:
        assert run_scenario(text, "s.yaml", str) == ()
        return
    head = "" if "apiVersion" in text else "apiVersion: rebalancer/v1\nkind: Policy\n"
    assert load_policies(["./p.yaml"], lambda _: head + text).rules
