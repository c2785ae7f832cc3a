"""Hosts share a resource's load in proportion to what they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from rebalancer.documents import Name, ShareField
from rebalancer.placement.primitives import BoolArray, Evenness
from rebalancer.placement.problem import Term
from rebalancer.policy.clause import Finding, Goal, Weight, host_mask, hosts_findings, resource_findings
from rebalancer.policy.expressions import HostSelector
from rebalancer.policy.loads import LoadField, load_findings, load_title
from rebalancer.policy.view import View

__all__ = ["Balance", "Form"]


class Form(StrEnum):
    """What is made of the hosts' utilisations."""

    DEVIATION = "deviation"
    VARIANCE = "variance"
    PEAK = "peak"
    RANGE = "range"
    EXCESS = "excess"


def _below_all(value: float) -> float:
    if value >= 1:
        raise ValueError("must be less than 100%")
    return value


class Balance(Goal):
    """With u_h = 100 · load / capacity of host h, and ū their common mean, in percentage points:

    - ``form: deviation`` (the default): sqrt(mean_h max(0, |u_h - ū| - tolerance)²)
    - ``form: variance``: mean_h max(0, |u_h - ū| - tolerance)²
    - ``form: peak``: max(0, max_h u_h - ū - tolerance)
    - ``form: range``: max(0, max_h u_h - min_h u_h - tolerance)
    - ``form: excess``: Σ_h max(0, u_h - threshold)

    In words, by default: how many percentage points the hosts' utilisation differs, as a standard deviation. Hosts that
    accept domains and report the resource count; what has to leave other hosts (maintenance) is part of the mean.
    """

    word: ClassVar[str] = "balance"

    resource: Name | None = None
    """``cpu``, ``memory``, or any other resource that hosts report."""
    resources: Annotated[Mapping[Name, Weight], Field(min_length=1)] | None = None
    """Several at once, each with its share in the cost: ``{cpu: 2, memory: 1}``."""
    load: LoadField | None = None
    """Which figure of domains' loads counts: ``p95``, ``mean@1h``, ``requested``…; by default what they use."""
    form: Form = Form.DEVIATION
    """What is made of the hosts' utilisations: ``deviation``, ``variance``, ``peak``, ``range`` or ``excess``."""
    threshold: ShareField | None = None
    """Of ``form: excess``: the utilisation up to which a host costs nothing, ``80%``."""
    weight: Weight = 1.0
    """Cost of each percentage point."""
    tolerance: Annotated[ShareField, AfterValidator(_below_all)] = 0.0
    """Utilisation may differ from the mean by this much without any cost: ``5%`` is five percentage points."""
    hosts: HostSelector = HostSelector("true")
    """Which hosts share the load."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.resource is None and self.resources is None:
            raise ValueError("'resource' is missing; add e.g. resource: cpu")
        if self.resource is not None and self.resources is not None:
            raise ValueError("has both 'resource' and 'resources'; name all of them under 'resources'")
        if (self.form is Form.EXCESS) != (self.threshold is not None):
            raise ValueError("'form: excess' and 'threshold' go together; write e.g. form: excess, threshold: 80%")
        if self.form is Form.EXCESS and self.tolerance:
            raise ValueError("'form: excess' has no tolerance; raise the threshold instead")
        return self

    @property
    def detail(self) -> str:
        return ", ".join(load_title(resource, self.load) for resource in self._shares)

    @property
    def _shares(self) -> Mapping[str, float]:
        """Resource → its share in the cost."""
        return {self.resource: 1.0} if self.resource is not None else self.resources or {}

    def _counted(self, resource: str, view: View) -> BoolArray:
        capacity = view.capacity(resource)
        return np.asarray(view.accepting & host_mask(self.hosts, view) & (capacity > 0), dtype=np.bool_)

    def terms(self, view: View) -> Iterable[Term]:
        for resource, share in self._shares.items():
            evenness = self._evenness(resource, view)
            if evenness is not None:
                name = f"{self.word}: {load_title(resource, self.load)}"
                yield replace(self.term(evenness, self.weight * share), name=name)

    def _evenness(self, resource: str, view: View) -> Evenness | None:
        counted = self._counted(resource, view)
        if not counted.any():
            return None
        capacity, demand = np.nan_to_num(view.capacity(resource)), view.demand(resource, self.load)
        shared = counted | (~view.accepting & host_mask(self.hosts, view))
        mean = float(demand[shared[view.start]].sum() / capacity[counted].sum())
        return Evenness(
            resource=resource,
            demand=demand,
            capacity=capacity,
            counted=counted,
            target=mean if self.threshold is None else self.threshold,
            tolerance=self.tolerance,
            form=self.form.value,
        )

    def check(self, view: View) -> Iterator[Finding]:
        yield from hosts_findings(self.hosts, view)
        counted = view.accepting & host_mask(self.hosts, view)
        for resource in self._shares:
            for path, problem in resource_findings(resource, view, counted, "not balanced there"):
                yield (path if self.resource is not None else ("resources", resource)), problem
            yield from load_findings(resource, self.load, view)
