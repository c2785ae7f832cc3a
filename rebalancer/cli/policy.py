"""``rebalance policy …``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rebalancer.cli.inputs import read_input, tell
from rebalancer.cli.options import Inventory, Policies, Snapshot
from rebalancer.cli.status import ExitStatus
from rebalancer.cluster.text import printable
from rebalancer.errors import InvalidInput, Problem

__all__ = ["app"]

app = typer.Typer(help="Work on policies.", rich_markup_mode=None)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Policy files; each is checked by itself.")]

Scenarios = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenario files.")]


@app.command("validate")
def validate(files: Files, inventory: Inventory = None, snapshot: Snapshot = None) -> ExitStatus:
    """Check policy files: everything that is wrong, with positions. With -i or --snapshot: for that cluster, too."""
    from rebalancer.files import read_text
    from rebalancer.policy import check_policy, load_policies

    cluster = read_input(inventory, snapshot) if inventory or snapshot else None
    problems: list[Problem] = []
    for file in files:
        try:
            policy = load_policies([_spec(file)], read_text)
        except InvalidInput as error:
            problems += error.problems
            continue
        errors, warnings = check_policy(policy, cluster) if cluster else ((), ())
        problems += errors
        for warning in warnings:
            tell(f"warning: {warning}")
        if not errors:
            print(f"{printable(str(file))}: valid")
    if problems:
        raise InvalidInput(problems)
    return ExitStatus.DONE


@app.command("list")
def list_policies() -> ExitStatus:
    """The ready-made policies, to be used by name: -p NAME."""
    from rebalancer.files import read_text
    from rebalancer.policy import load_policies, policy_names

    names = policy_names()
    width = max((len(name) for name in names), default=0)
    for name in names:
        print(f"{name:<{width}}  {load_policies([name], read_text).description}")
    return ExitStatus.DONE


@app.command("show")
def show(policies: Policies = None) -> ExitStatus:
    """The effective policy: everything that counts, and the file and line that each part comes from."""
    from rebalancer.files import read_text
    from rebalancer.policy import load_policies, show_policy

    print(show_policy(load_policies(policies or ["balance"], read_text)), end="")
    return ExitStatus.DONE


@app.command("test")
def test(files: Scenarios) -> ExitStatus:
    """Run scenario files: a cluster, policies, and what a plan must come to. Ends with status 1 where one differs."""
    from rebalancer.files import read_text
    from rebalancer.policy.scenario import run_scenario

    passed = 0
    for file in files:
        failures = run_scenario(read_text(file), str(file), read_text)
        passed += not failures
        print(f"{printable(str(file))}: {'as expected' if not failures else 'differs'}")
        for failure in failures:
            tell(f"{file}: {failure}")
    print(f"{passed} of {len(files)} scenarios are as expected")
    return ExitStatus.DONE if passed == len(files) else ExitStatus.ERROR


@app.command("schema")
def schema() -> ExitStatus:
    """The JSON Schema of policy files, for editors, with all rules and goals that are installed."""
    from rebalancer.policy import schema_text

    print(schema_text(), end="")
    return ExitStatus.DONE


def _spec(file: Path) -> str:
    """A path that cannot be taken for the name of a ready-made policy."""
    return str(file) if file.is_absolute() or len(file.parts) > 1 else f"./{file}"
