from __future__ import annotations

import json
from typing import Any

from rebalancer.policy import json_schema
from rebalancer.policy.registry import goal_names, load_goal, load_rule, rule_names


def definition(schema: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    (found,) = [
        item["properties"][name]["$ref"]
        for item in schema["properties"][section]["items"]["oneOf"]
        if name in item["properties"]
    ]
    result: dict[str, Any] = schema["$defs"][found.rpartition("/")[2]]
    return result


def test_every_rule_and_goal_is_in_the_schema_with_its_documentation() -> None:
    schema = json_schema()
    for section, names in (("rules", rule_names()), ("goals", goal_names())):
        for name in names:
            found = definition(schema, section, name)
            assert found["description"]
            assert found["additionalProperties"] is False
            for key, value in found["properties"].items():
                assert value.get("description"), f"{name}.{key} is not documented"


def test_the_schema_is_plain_json_and_resolves() -> None:
    schema = json_schema()
    text = json.dumps(schema)
    assert json.loads(text) == schema
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}:
        assert reference in schema["$defs"]
    assert definition(schema, "rules", "anti_affinity")["properties"]["select"]["default"] == "true"


def test_a_clause_is_written_with_the_name_that_it_is_registered_under() -> None:
    assert {"affinity", "anti_affinity", "ban", "capacity", "pin", "stay"} <= set(rule_names())
    assert {"balance", "move_cost", "pack"} <= set(goal_names())
    for name in rule_names():
        assert load_rule(name).word == name
    for name in goal_names():
        assert load_goal(name).word == name
