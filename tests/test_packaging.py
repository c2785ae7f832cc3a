"""The wheel, as built from the sdist, holds everything that the program needs outside of the tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.cli.commands import ROOT

hatchling = pytest.importorskip("hatchling.build")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    sdist = _build("build_sdist", ROOT, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return _build("build_wheel", folder / sdist.name.removesuffix(".tar.gz"), folder)


def _build(hook: str, source: Path, folder: Path) -> Path:
    """Calls the build backend as an installer does; nothing is fetched."""
    program = f"import sys; from hatchling.build import {hook}; print({hook}(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return folder / built.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content in a folder of its own, to be put before everything else on the path."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def rebalance(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run from the wheel's files; what it depends on comes from this environment."""
    program = (
        "import sys; import rebalancer; assert rebalancer.__file__.startswith(sys.argv[1]), rebalancer.__file__;"
        "from rebalancer.cli import run; sys.exit(run(sys.argv[2:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(installed), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_wheel_holds_drivers_policies_and_the_example(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "rebalancer/py.typed",
        "rebalancer/policies/balance.yaml",
        "rebalancer/examples/quickstart/world.yaml",
        "rebalancer_simulator/driver.py",
        "rebalancer_virsh/__init__.py",
    ):
        assert needed in names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "rebalancer",
        *(path.name for path in (ROOT / "drivers").iterdir() if (path / "__init__.py").exists()),
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".md")]


def test_the_wheel_has_license_and_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = next(name for name in archive.namelist() if name.endswith("entry_points.txt")).rpartition("/")[0]
        assert "rebalance = rebalancer.cli:main" in archive.read(f"{info}/entry_points.txt").decode()
        assert f"{info}/licenses/LICENSE" in archive.namelist()


def test_ready_made_policies_are_found_outside_the_tree(installed, tmp_path):
    ended = rebalance(installed, tmp_path, "policy", "list")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split()[0] for line in ended.stdout.splitlines()] == sorted(
        path.stem for path in (ROOT / "policies").glob("*.yaml")
    )


@pytest.mark.slow
def test_the_demo_runs_outside_the_tree(installed, tmp_path):
    ended = rebalance(installed, tmp_path, "demo", "here")
    assert ended.returncode == 0, ended.stderr
    assert "All done; every host was read again and agrees." in ended.stdout
    assert "Nothing to do" in ended.stdout
    assert (tmp_path / "here" / "plan.json").exists()
    again = rebalance(installed, tmp_path, "demo", "here")
    assert (again.returncode, again.stderr) == (1, "error: here is not empty; name a new directory\n")
