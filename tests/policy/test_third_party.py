"""A rule of somebody else's: a package installed by itself, with its own tests by the harness that is shipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-rules"
version = "1.0"

[project.entry-points."rebalancer.rules"]
quiet = "acme_rules:Quiet"
"""

RULE = """\
from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rebalancer.placement.primitives import AllowedHosts
from rebalancer.placement.problem import Term
from rebalancer.policy import Rule, View
from rebalancer.policy.expressions import DomainSelector
from rebalancer.policy.masks import Rows


class Quiet(Rule):
    \"\"\"For every selected domain d: the label noise of host(d) is not 'loud'.\"\"\"

    word: ClassVar[str] = "quiet"

    select: DomainSelector = DomainSelector("true")
    \"\"\"Which domains.\"\"\"

    def terms(self, view: View) -> Iterable[Term]:
        quiet = view.hosts_where(lambda host: host.labels.get("noise") != "loud")
        rows = Rows(len(view.domains), len(view.hosts))
        for d in view.where(self.select.matches).nonzero()[0]:
            rows.restrict(int(d), "quiet", lambda: quiet, lambda host: f"{view.hosts[host].name} is loud")
        primitive = rows.primitive()
        return () if primitive is None else (self.term(primitive),)

"""

ITS_TEST = """\
from acme_rules import Quiet

from rebalancer.policy.conformance import compare, some_domains


def test_it_costs_what_it_says():
    compare(lambda random, view: Quiet(select=some_domains(random)), loud, cases=100)


def loud(rule, placed):
    return sum(placed.host(domain).labels.get("noise") == "loud" for domain in placed.selected(rule.select))
"""

SNAPSHOT = {
    "apiVersion": "rebalancer/v1",
    "kind": "Cluster",
    "hosts": [
        {"name": "h1", "labels": {"noise": "loud"}, "migration": {"live": True}},
        {"name": "h2", "migration": {"live": True}},
    ],
    "domains": [{"name": "a", "uuid": "00000000-0000-0000-0000-000000000001", "host": "h1", "state": "running"}],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acme")
    (folder / "pyproject.toml").write_text(PYPROJECT, "utf-8")
    (folder / "acme_rules").mkdir()
    (folder / "acme_rules" / "__init__.py").write_text(RULE, "utf-8")
    (folder / "test_quiet.py").write_text(ITS_TEST, "utf-8")
    (folder / "cluster.json").write_text(json.dumps(SNAPSHOT), "utf-8")
    run(folder, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", "site", ".")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "site"), "XDG_STATE_HOME": str(folder / "state")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def policy(folder: Path, rules: str) -> str:
    (folder / "policy.yaml").write_text(f"apiVersion: rebalancer/v1\nkind: Policy\nrules: [{rules}]\n", "utf-8")
    return "./policy.yaml"


def test_it_is_a_word_of_the_language(site: Path) -> None:
    ended = run(site, "rebalancer", "plan", "--snapshot", "cluster.json", "-p", policy(site, "{quiet: {}}"))
    assert ended.returncode == 0, ended.stderr
    assert "repaired  quiet: 'a' on h1: h1 is loud" in ended.stdout
    assert "h1 → h2" in ended.stdout or "h1 -> h2" in ended.stdout
    schema = json.loads(run(site, "rebalancer", "policy", "schema").stdout)
    assert any("quiet" in item["properties"] for item in schema["properties"]["rules"]["items"]["oneOf"])
    shown = run(site, "rebalancer", "policy", "show", "-p", policy(site, "{quiet: {soft: 3}}")).stdout
    assert "  - quiet: {soft: 3}  # ./policy.yaml:3" in shown or "  - quiet: {soft: 3}  # policy.yaml:3" in shown


def test_its_errors_are_as_good_as_ours(site: Path) -> None:
    ended = run(site, "rebalancer", "policy", "validate", policy(site, "{quiet: {selct: 'true'}}"))
    assert ended.returncode == 1
    assert "policy.yaml:3:18: quiet: unknown key 'selct'; did you mean 'select'?" in ended.stderr
    ended = run(site, "rebalancer", "policy", "validate", policy(site, "{quite: {}}"))
    assert "there is no rule 'quite'; did you mean 'quiet'?" in ended.stderr


def test_its_own_tests_run_by_the_harness(site: Path) -> None:
    ended = run(site, "pytest", "-q", "-p", "no:cacheprovider", "test_quiet.py")
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout
