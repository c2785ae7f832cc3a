"""From policy files to a policy: what they extend is read first, then everything is merged in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TypeAlias

from rebalancer.cluster.text import shown
from rebalancer.errors import InvalidInput, Position, RebalancerError
from rebalancer.policy.clause import Goal, Rule
from rebalancer.policy.conflicts import static_conflicts
from rebalancer.policy.file import Layer, parse_layer
from rebalancer.policy.library import policy_text
from rebalancer.policy.merging import merged_limits, merged_settings
from rebalancer.policy.model import Clause, Names, OnClash, Override, Policy, Steps
from rebalancer.policy.settings import FreeIn, Hints, Restore

__all__ = ["Resolve", "is_path", "load_layers", "load_policies", "merge", "parse_layers", "parse_policy"]

Resolve: TypeAlias = Callable[[str, Position], tuple[str, str]]
"""(what stands under ``extends``, where it stands) → (text, file); raises RebalancerError where there is none."""

MAX_CHAIN = 32


def parse_policy(text: str, file: str, *, resolve: Resolve) -> Policy:
    """The policy of one file and of all that it extends; raises InvalidInput with everything that is wrong."""
    return merge(parse_layers(text, file, resolve=resolve))


def load_policies(specs: Sequence[str], read: Callable[[str], str]) -> Policy:
    """Several policies as one, as ``-p balance -p ./site.yaml`` gives them: names of ready-made ones, or paths.

    ``read``: the text of a user's file; raises RebalancerError where it cannot be read. Paths under ``extends`` are
    relative to the file that they stand in.
    """
    layers = load_layers(specs, read)
    return merge(
        (layer for each in layers for layer in each), name=" + ".join(dict.fromkeys(e[-1].name for e in layers))
    )


def load_layers(specs: Sequence[str], read: Callable[[str], str], *, beside: str = "") -> tuple[tuple[Layer, ...], ...]:
    """For each policy asked for, by name or path, the layers that it extends and then its own.

    ``beside``: the file that names them, which paths are relative to.
    """

    def resolve(spec: str, position: Position) -> tuple[str, str]:
        if not is_path(spec):
            return policy_text(spec, position)
        path = _beside(position.file, spec)
        return read(path), path

    def text_of(spec: str) -> tuple[str, str]:
        if not is_path(spec):
            return policy_text(spec)
        return read(spec if not beside else _beside(beside, spec)), _beside(beside, spec)

    return tuple(parse_layers(*text_of(spec), resolve=resolve) for spec in specs)


def _beside(file: str, path: str) -> str:
    """A path as seen from a file, without the detours that would hide that two paths lead to one file."""
    parts: list[str] = []
    for part in (PurePosixPath(file).parent / path).parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        else:
            parts.append(part)
    return str(PurePosixPath(*parts))


def is_path(spec: str) -> bool:
    """Whether a policy is given by its path, not by the name of a ready-made one."""
    return "/" in spec or spec.endswith((".yaml", ".yml", ".json"))


def parse_layers(text: str, file: str, *, resolve: Resolve) -> tuple[Layer, ...]:
    """The layers that a file extends, in order, and then its own."""
    return tuple(_layers(text, file, resolve, ()))


def _layers(text: str, file: str, resolve: Resolve, chain: tuple[str, ...]) -> Iterable[Layer]:
    own = parse_layer(text, file)
    for spec, position in own.extends:
        try:
            base_text, base_file = resolve(spec, position)
        except InvalidInput as error:
            if all(problem.position is not None for problem in error.problems):
                raise
            raise InvalidInput(f"extends: {error}", position) from error
        except RebalancerError as error:
            raise InvalidInput(f"extends: {error}", position) from error
        if base_file in (*chain, file):
            loop = " → ".join([*chain, file, base_file][[*chain, file].index(base_file) :])
            raise InvalidInput(f"extends: {shown(spec)} leads back to itself: {loop}", position)
        if len(chain) >= MAX_CHAIN:
            raise InvalidInput(f"extends: more than {MAX_CHAIN} policies one upon another", position)
        yield from _layers(base_text, base_file, resolve, (*chain, file))
    yield own


def merge(layers: Iterable[Layer], *, name: str | None = None) -> Policy:
    """One policy of several layers: of single keys the last wins, lists append; a file counts once, where it is first.

    ``name``: by default that of the last layer.
    """
    first: dict[str, Layer] = {}
    for layer in layers:
        first.setdefault(layer.file, layer)
    unique = tuple(first.values())
    names, asked = Names(), False
    for layer in unique:
        written = layer.names
        asked = asked or written.on_clash is not None
        names = Names(
            on_clash=OnClash(written.on_clash or names.on_clash),
            template=names.template if written.template is None else written.template,
            free_in=FreeIn(written.free_in or names.free_in),
            restore=Restore(written.restore or names.restore),
            rename_cost=names.rename_cost if written.rename_cost is None else written.rename_cost,
            asked=asked,
        )
    policy = Policy(
        name=name if name is not None else (unique[-1].name if unique else ""),
        digest="",
        description=unique[-1].description if unique else "",
        rules=tuple(clause for layer in unique for clause in layer.rules),
        goals=tuple(clause for layer in unique for clause in layer.goals),
        names=names,
        links=tuple(entry for layer in unique for entry in layer.links),
        migration=tuple(entry for layer in unique for entry in layer.migration),
        limits=merged_limits(unique),
        windows=tuple(entry for layer in unique for entry in layer.windows),
        steps=sum((layer.steps for layer in unique), start=Steps()),
        protect=tuple(entry for layer in unique for entry in layer.protect),
        overrides=tuple(entry for layer in unique for entry in layer.overrides),
        hints=_hints(unique),
        settings=merged_settings(unique),
    )
    contradictions = tuple(static_conflicts(policy.clauses))
    if contradictions:
        raise InvalidInput(contradictions)
    return _with_digest(policy)


def _hints(layers: Iterable[Layer]) -> Hints:
    hints = Hints()
    for layer in layers:
        hints = Hints(
            source=layer.hints.source or hints.source,
            allow=hints.allow if layer.hints.allow is None else layer.hints.allow,
        )
    return hints


def _with_digest(policy: Policy) -> Policy:
    content = {
        "rules": [_plain(clause) for clause in policy.rules],
        "goals": [_plain(clause) for clause in policy.goals],
        "names": asdict(policy.names),
        "links": [located.entry.model_dump(mode="json") for located in policy.links],
        "migration": [located.entry.model_dump(mode="json") for located in policy.migration],
        "limits": asdict(policy.limits),
        "windows": [located.entry.model_dump(mode="json") for located in policy.windows],
        "steps": [[key, located.entry.model_dump(mode="json")] for key, located in policy.steps.entries()],
        "protect": [located.entry.model_dump(mode="json") for located in policy.protect],
        "overrides": [_plain_override(override) for override in policy.overrides],
        "hints": asdict(policy.hints),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return replace(policy, digest=f"sha256:{sha256(text.encode()).hexdigest()}")


def _plain(clause: Clause) -> dict[str, object]:
    body = clause.body
    return {clause.name: body.model_dump(mode="json") if isinstance(body, Rule | Goal) else repr(body)}


def _plain_override(override: Override) -> dict[str, object]:
    migration = override.migration
    return {
        "select": override.select.source,
        "without": list(override.without),
        "rules": [_plain(clause) for clause in override.rules],
        "goals": [_plain(clause) for clause in override.goals],
        "migration": None if migration is None else migration.entry.model_dump(mode="json"),
    }
