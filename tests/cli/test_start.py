"""What happens before any command does anything: help, arguments, and what is imported for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rebalancer import __version__
from rebalancer.cli.app import with_optional_values
from rebalancer.native import library

HEAVY = ("numpy", "networkx", "paramiko", "lxml", "rich", "sqlalchemy", "cel_expr_python", "libvirt")


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["policy", "validate", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    program = (
        "import sys; from rebalancer.cli import run; status = run(sys.argv[1:]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr.strip()) == (0, "[]")


def test_a_command_imports_no_other_command():
    program = (
        "import sys; from rebalancer.cli import run; run(['drivers', '--help']);"
        "print([name for name in sys.modules if name.startswith('rebalancer.cli.')], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "Usage: rebalance drivers" in ended.stdout
    assert "'rebalancer.cli.drivers'" in ended.stderr
    assert "'rebalancer.cli.plan'" not in ended.stderr


def test_a_plan_without_a_journal_loads_no_database(example):
    """Nor NumPy's masked arrays, which `np.unique` of one array would."""
    program = (
        "import sys; from rebalancer.cli import run; run(sys.argv[1:]);"
        "print([name for name in ('sqlalchemy', 'numpy.ma') if name in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "plan", "-p", "./policy.yaml"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "migrations, " in ended.stdout
    assert ended.stderr.splitlines()[-1] == "[]"


def test_a_plan_does_not_load_the_interpreted_kernels_where_compiled_ones_are_at_hand(example):
    assert library.cached() is not None or library.compile_now() is not None
    program = (
        "import sys; from rebalancer.cli import run; run(sys.argv[1:]);"
        "print([name for name in sys.modules if name.endswith('kernels.anneal')], file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "plan", "-p", "./policy.yaml"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr.splitlines()[-1] == "[]"


def test_the_end_waits_for_nothing_but_threads_at_work():
    program = (
        "import atexit, sys, threading; from rebalancer.cli import main\n"
        "def work(): threading.main_thread().join(); print('worked')\n"
        "if sys.argv.pop() == 'working': threading.Thread(target=work).start()\n"
        "atexit.register(print, 'freed')\n"
        "main()"
    )
    ends = [
        subprocess.run(
            [sys.executable, "-c", program, "--version", state], capture_output=True, text=True, timeout=60, check=False
        )
        for state in ("working", "idle")
    ]
    assert [ended.returncode for ended in ends] == [0, 0]
    version = f"rebalance {__version__}\n"
    assert [ended.stdout for ended in ends] == [f"{version}worked\nfreed\n", version]


def test_the_version_is_the_package_s(cli):
    assert cli("--version").out == f"rebalance {__version__}\n"


def test_every_command_is_listed_with_a_whole_line(cli):
    ended = cli("--help")
    assert ended.status == 0
    commands = (
        "demo",
        "check",
        "plan",
        "apply",
        "evacuate",
        "resume",
        "hosts",
        "snapshot",
        "drivers",
        "runs",
        "policy",
    )
    for command in commands:
        assert f"  {command} " in ended.out
    assert "..." not in ended.out.split("Commands:")[1].split("Exit status")[0]


def test_no_command_shows_the_help_and_is_an_error(cli):
    ended = cli()
    assert (ended.status, ended.out) == (1, "")
    assert "Usage: rebalance" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plann"], "No such command 'plann'. Did you mean 'plan'"),
        (["plan", "--polcy", "x"], "No such option: --polcy"),
        (["plan", "--seed", "x"], "Invalid value for '--seed'"),
        (["plan", "--effort", "11"], "Invalid value for '--effort'"),
        (["plan", "--time-limit", "3 parsecs"], "unknown unit 'parsecs' in '3 parsecs'"),
        (["plan", "--format", "xml"], "Invalid value for '--format'"),
        (["plan", "surplus"], "unexpected extra argument"),
        (["plan", "--frontier", "-o", "x"], "--frontier makes no plan; leave --rolling and -o out"),
        (["evacuate"], "name the hosts to empty, or give --all"),
    ],
)
def test_wrong_arguments_are_one_line_and_status_1(cli, arguments, message):
    ended = cli(*arguments)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["plan", "--dirty-rate"], ["plan", "--dirty-rate=5s"]),
        (["plan", "--dirty-rate", "-p", "x"], ["plan", "--dirty-rate=5s", "-p", "x"]),
        (["plan", "--dirty-rate", "3s"], ["plan", "--dirty-rate", "3s"]),
        (["evacuate", "--dirty-rate", "h1"], ["evacuate", "--dirty-rate=5s", "h1"]),
        (["plan", "--dirty-rate=2s"], ["plan", "--dirty-rate=2s"]),
    ],
)
def test_the_duration_of_dirty_rate_may_be_left_out(given, read):
    assert with_optional_values(given) == read


def test_an_unexpected_error_is_one_line_with_a_hint(cli, monkeypatch):
    monkeypatch.setattr("rebalancer.drivers.driver_names", lambda: 1 / 0)
    ended = cli("drivers")
    assert ended.status == 1
    assert ended.err.startswith("error: unexpected ZeroDivisionError: division by zero")
    assert "REBALANCE_DEBUG=1" in ended.err
    assert ended.err.count("\n") == 1
    monkeypatch.setenv("REBALANCE_DEBUG", "1")
    assert "Traceback" in cli("drivers").err


def test_ctrl_c_while_planning_is_one_line(cli, monkeypatch):
    def interrupted() -> tuple[str, ...]:
        raise KeyboardInterrupt

    monkeypatch.setattr("rebalancer.drivers.driver_names", interrupted)
    ended = cli("drivers")
    assert (ended.status, ended.err) == (1, "error: interrupted\n")
