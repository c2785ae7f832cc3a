"""``rebalance import``: files are written whole, nothing is overwritten unasked, and what was written can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "imports" / "golden"
GANETI, PROXLB, STATE = (str(GOLDEN / name) for name in ("one-group.txt", "proxlb.yaml", "proxlb-state.json"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_ganeti_and_then_plan(cli, folder):
    ended = cli("import", "ganeti", GANETI, "-o", "new/site")
    assert ended.status == 0
    assert ended.out == "new/site/cluster.json\nnew/site/policy.yaml\n"
    assert "note: offline or drained: delta, omega" in ended.err
    assert names(folder / "new/site") == ["cluster.json", "policy.yaml"]
    assert (folder / "new/site/policy.yaml").stat().st_mode & 0o777 == 0o644
    planned = cli("plan", "--snapshot", "new/site/cluster.json", "-p", "new/site/policy.yaml")
    assert planned.status == 0
    assert "4 hosts read" in planned.out


def test_proxlb_has_a_cluster_only_with_state(cli, folder):
    assert cli("import", "proxlb", PROXLB, "-o", "a").out == "a/policy.yaml\n"
    assert names(folder / "a") == ["policy.yaml"]
    assert cli("import", "proxlb", PROXLB, "--state", STATE, "-o", "b").status == 0
    assert names(folder / "b") == ["cluster.json", "policy.yaml"]
    assert cli("plan", "--snapshot", "b/cluster.json", "-p", "b/policy.yaml").status == 0


def test_nothing_is_overwritten_unasked(cli, folder):
    (folder / "policy.yaml").write_text("mine")
    ended = cli("import", "ganeti", GANETI, "-o", ".")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "error: . has policy.yaml already; --force overwrites, -o takes another directory\n"
    assert names(folder) == ["policy.yaml"]
    assert (folder / "policy.yaml").read_text() == "mine"
    assert cli("import", "ganeti", GANETI, "-o", ".", "--force").status == 0
    assert (folder / "policy.yaml").read_text() != "mine"


def test_a_dangling_link_counts_as_there(cli, folder):
    (folder / "cluster.json").symlink_to("elsewhere")
    assert cli("import", "ganeti", GANETI, "-o", ".").status == 1
    assert names(folder) == ["cluster.json"]


def test_a_wrong_file_writes_nothing(cli, folder):
    (folder / "wrong").write_bytes(b"\x00\x01\x1b[2J\n" * 100)
    ended = cli("import", "ganeti", "wrong", "-o", "out")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "error: wrong:1:1: character U+0000 is not allowed; expected Ganeti's text format\n"
    assert names(folder) == ["wrong"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vmware", GANETI, "-o", "out"), "there is no importer 'vmware'; known: ganeti, proxlb"),
        (("ganeti", "missing", "-o", "out"), "cannot read missing: there is no such file"),
        (("ganeti", GANETI, "--state", STATE, "-o", "out"), "--state is not for ganeti: its FILE has everything"),
        (("ganeti", GANETI), "Missing option '-o'"),
        (("ganeti", GANETI, "-o", GANETI), "cannot make "),
        (("proxlb", GANETI, "-o", "out"), "one-group.txt:"),
    ],
)
def test_wrong_arguments(cli, folder, arguments, message):
    ended = cli("import", *arguments)
    assert (ended.status, ended.out) == (1, "")
    assert message in ended.err
    assert names(folder) == []
