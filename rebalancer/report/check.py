"""How well a cluster is placed now: score and broken rules."""

from __future__ import annotations

import json

from rich.console import Console
from rich.text import Text

from rebalancer.plan.addresses import address_clashes
from rebalancer.plan.model import Plan
from rebalancer.report.console import glyphs, heading, show, warnings
from rebalancer.report.plan import print_breaches, print_cluster, print_quality
from rebalancer.report.tables import load_table, score_table

__all__ = ["check_json", "print_check"]


def print_check(console: Console, assessment: Plan, *, policy: str) -> None:
    """``assessment``: the plan without steps that :func:`rebalancer.plan.make.assess` gives."""
    print_cluster(console, assessment.snapshot, policy)
    console.print()
    show(console, load_table(console, assessment.snapshot))
    console.print()
    total = assessment.before.total
    show(console, score_table(assessment.before.parts, None, (total, total)))
    print_quality(console, assessment)
    if assessment.violations_before:
        heading(console, f"Rules broken: {len(assessment.violations_before)}")
        print_breaches(console, assessment.violations_before, glyphs(console).bad, "red")
    else:
        console.print()
        show(console, Text("All rules hold.", style="green"))
    warnings(console, address_clashes(assessment.snapshot))


def check_json(assessment: Plan) -> str:
    score = assessment.before
    data = {
        "cluster": {"name": assessment.snapshot.name, "fingerprint": assessment.fingerprint},
        "policy": assessment.policy,
        "score": {"total": score.total, "parts": dict(score.parts), "bound": assessment.bound},
        "violations": [
            {"rule": breach.rule, "amount": breach.amount, "text": breach.text}
            for breach in assessment.violations_before
        ],
        "warnings": [str(clash) for clash in address_clashes(assessment.snapshot)],
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
