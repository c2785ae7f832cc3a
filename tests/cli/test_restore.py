"""``names: {restore: when_free}``: a name given up for a clash comes back from the journal."""

from __future__ import annotations

from tests.cli.test_apply import where

TO = """apiVersion: rebalancer/v1
kind: Policy
names: {{restore: {restore}}}
rules: [{{pin: {{select: "name.startsWith('database')", hosts: [{host}]}}}}]
"""


def test_with_its_next_migration_to_where_it_is_free(cli, example):
    policy = example / "to.yaml"

    def move(host: str, restore: str = "when_free") -> None:
        policy.write_text(TO.format(host=host, restore=restore), "utf-8")
        assert cli("apply", "-p", "./to.yaml", "--yes").status == 0

    move("h2")
    assert "database-h1" in where(example)
    move("h3", "never")
    renamed = [name for name in where(example) if name.startswith("database-")]
    assert len(renamed) == 1
    # Alone somewhere: the others stay where they are.
    policy.write_text(
        TO.format(host="h1", restore="when_free").replace("name.startsWith('database')", f"name == '{renamed[0]}'"),
        "utf-8",
    )
    assert cli("apply", "-p", "./to.yaml", "--yes").status == 0
    assert where(example)["database@h1"] == "h1"
    assert not [name for name in where(example) if name.startswith("database-")]
