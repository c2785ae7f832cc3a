"""The JSON Schema of policy files, made from the models of all installed rules and goals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from rebalancer.documents import API_VERSION, Model
from rebalancer.documents.describe import describe
from rebalancer.policy.file import PolicyFile
from rebalancer.policy.registry import goal_names, load_goal, load_rule, rule_names

__all__ = ["json_schema", "schema_text"]


def json_schema() -> dict[str, Any]:
    """For editors (``# yaml-language-server: $schema=…``) and for documentation."""
    rules: dict[str, type[Model]] = {name: load_rule(name) for name in rule_names()}
    goals: dict[str, type[Model]] = {name: load_goal(name) for name in goal_names()}
    describe()
    return _with_overrides(_schema(rules, goals))


def schema_text() -> str:
    """The schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _schema(rules: Mapping[str, type[Model]], goals: Mapping[str, type[Model]]) -> dict[str, Any]:
    models: list[type[Model]] = [PolicyFile, *rules.values(), *goals.values()]
    references, made = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions: dict[str, Any] = _plain_defaults(made["$defs"])
    top = definitions.pop(references[PolicyFile, "validation"]["$ref"].rpartition("/")[2])
    properties = top["properties"]
    for key, clauses in (("rules", rules), ("goals", goals)):
        properties[key]["items"] = {
            "oneOf": [_item(name, references[model, "validation"]) for name, model in clauses.items()]
        }
    properties["apiVersion"] = {"const": API_VERSION}
    properties["kind"] = {"const": "Policy"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top,
        "title": "rebalancer policy",
        "$defs": definitions,
    }


def _with_overrides(schema: dict[str, Any]) -> dict[str, Any]:
    """Rules and goals are the same inside of overrides."""
    properties = schema["$defs"]["OverrideEntry"]["properties"]
    for key in ("rules", "goals"):
        properties[key]["items"] = schema["properties"][key]["items"]
    return schema


def _item(name: str, reference: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: dict(reference)}, "required": [name], "additionalProperties": False}


def _plain_defaults(value: Any) -> Any:
    """Expressions as they are written: pydantic shows the default of a field as the object that it is."""
    if isinstance(value, dict):
        if set(value) == {"source"} and isinstance(value["source"], str):
            return value["source"]
        return {key: _plain_defaults(item) for key, item in value.items()}
    return [_plain_defaults(item) for item in value] if isinstance(value, list) else value
