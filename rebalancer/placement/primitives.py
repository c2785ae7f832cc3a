"""The handful of primitives that every rule and goal compiles to: flat arrays over D domains and H hosts.

A primitive only holds data; what it costs and how a move changes that is in ``evaluators``. Costs are never
negative and are 0 when the rule holds (or the goal is fully met). Indices of groups, zones and masks are ints;
-1 stands for "in none".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rebalancer.values import dataclass

__all__ = [
    "AllowedHosts",
    "AssignmentCost",
    "BoolArray",
    "Capacity",
    "DistanceCost",
    "Evenness",
    "EvennessForm",
    "Failover",
    "FloatArray",
    "GroupLeast",
    "GroupMost",
    "GroupMoves",
    "GroupSkew",
    "GroupSpan",
    "GroupsApart",
    "HostsInUse",
    "IntArray",
    "MoveCost",
    "Near",
    "Pool",
    "Primitive",
    "Ratio",
    "Traffic",
]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
EvennessForm: TypeAlias = Literal["deviation", "variance", "peak", "range", "excess"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AllowedHosts:
    """Each domain may run only where its mask allows. Cost: the number of domains that stand elsewhere.

    ``masks``: bool[M, H]; ``mask``: int[D], each domain's row, -1 where any host will do. Domains of a kind share
    a row, so that a cluster of any size stays small. ``reasons`` may say why row m forbids host h.
    """

    masks: BoolArray
    mask: IntArray
    reasons: Mapping[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capacity:
    """The demands on a host stay within its limit. Cost: Σ_h max(0, load_h - limit_h) / scale.

    ``demand``: float[D]; ``limit``: float[H], infinite where there is none. ``scale``: None for the mean positive
    limit, so that resources of any size compare. ``both_ends``: a domain that moves counts on the host that it
    left, too (the transient resources of the ROADEF/EURO challenge 2012).
    """

    resource: str
    demand: FloatArray
    limit: FloatArray
    scale: float | None = None
    both_ends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """What the hosts of a zone hold together stays between two bounds. Cost:
    Σ_z (max(0, load_z - most_z) + max(0, least_z - load_z)) / scale, where, with g over the groups present in z,

    load_z = Σ of the demands in z of domains of no group + Σ_g max(Σ of the demands in z of g's domains, presence_g).

    ``demand``: float[D]; ``zone``: int[H], -1 for a host that is not looked at; ``most``, ``least``: float[Z], infinite
    and 0 where there is no bound. ``group``: int[D], -1 for none, and ``presence``: float[G]; both None: no groups.
    """

    resource: str
    demand: FloatArray
    zone: IntArray
    most: FloatArray
    least: FloatArray
    scale: float = 1.0
    group: IntArray | None = None
    presence: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupMost:
    """At most ``most`` domains of a group in a zone. Cost: the domains too many, summed.

    ``group``: int[D]; ``zone``: int[H]. ``fixed``: int[G, Z], members that stand in a zone and never move.
    """

    group: IntArray
    zone: IntArray
    most: int
    fixed: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupSpan:
    """The domains of a group are spread over at most ``most`` zones. Cost: the zones too many, summed.

    ``group``: int[D]; ``zone``: int[H]. ``alone``: whether a host in no zone is a zone of its own; otherwise nobody
    counts there. ``eased``: whether a plan may go beyond it on the way where no order of its moves avoids that.
    """

    group: IntArray
    zone: IntArray
    most: int
    alone: bool = True
    eased: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupLeast:
    """The domains of a group stand in at least ``least`` zones. Cost: the zones too few, summed.

    ``group``: int[D]; ``zone``: int[H]; ``least``: int[G]. A host in no zone is a zone of its own.
    """

    group: IntArray
    zone: IntArray
    least: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupSkew:
    """No zone has over ``most`` more domains of a group than another. Cost: the domains beyond that, over all groups.

    ``group``: int[D]; ``zone``: int[H], numbered without gaps; hosts in no zone are not looked at.
    """

    group: IntArray
    zone: IntArray
    most: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupsApart:
    """At most ``most`` different groups stand in a zone. Cost: the groups too many, summed over zones.

    ``group``: int[D]; ``zone``: int[H]. A host in no zone is a zone of its own.
    """

    group: IntArray
    zone: IntArray
    most: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Near:
    """Wherever a domain of a pair's first group stands, one of its second group stands in the same zone. Cost: the
    domains without such a neighbour, over all pairs.

    ``group``: int[D]; ``zone``: int[H]; ``pairs``: int[P, 2]. A host in no zone is a zone of its own.
    """

    group: IntArray
    zone: IntArray
    pairs: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratio:
    """Free amounts of two resources stay in proportion. Cost: Σ_h max(0, target · free_first(h) - free_second(h)).

    ``first``, ``second``: float[D], demands; ``first_capacity``, ``second_capacity``: float[H].
    """

    first: FloatArray
    second: FloatArray
    first_capacity: FloatArray
    second_capacity: FloatArray
    target: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupMoves:
    """No group is disturbed more than another. Cost: the largest number of domains of one group that move.

    ``group``: int[D].
    """

    group: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AssignmentCost:
    """Each domain costs what its row says of its host.

    ``costs``: float[M, H]; ``row``: int[D], -1 for none.
    """

    costs: FloatArray
    row: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DistanceCost:
    """Each domain costs the distance from the host that it started on: float[H, H], 0 on the diagonal."""

    distance: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Failover:
    """The cluster survives the loss of any ``tolerate`` zones, whichever they are: for each resource the survivors have
    room for all that ran on the lost hosts, and each single domain fits on one survivor that is left to it.

    Cost: per resource the room that is short in the worst case, as a share of the mean limit, and the number of
    domains that fit on no survivor in their worst case. ``demand``: float[R, D]; ``limit``: float[R, H], finite;
    ``zone``: int[H], -1 for a zone of its own. ``resources``: what the R rows are called, for people.
    """

    demand: FloatArray
    limit: FloatArray
    zone: IntArray
    tolerate: int = 1
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evenness:
    """Hosts are utilised alike. Cost, over the counted hosts, with u_h = load / capacity in percentage points:

    - ``deviation``: sqrt(mean_h max(0, |u_h - target| - tolerance)²): where the target is their mean utilisation and
      the tolerance 0, the standard deviation;
    - ``variance``: its square;
    - ``peak``: max(0, max_h u_h - target - tolerance);
    - ``range``: max(0, max_h u_h - min_h u_h - tolerance);
    - ``excess``: Σ_h max(0, u_h - target - tolerance).

    ``demand``: float[D]; ``capacity``: float[H]; ``counted``: bool[H], the hosts that share the load, each with a
    positive capacity. ``target``, ``tolerance``: fractions.
    """

    resource: str
    demand: FloatArray
    capacity: FloatArray
    counted: BoolArray
    target: float
    tolerance: float = 0.0
    form: EvennessForm = "deviation"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HostsInUse:
    """Few hosts carry domains. Cost: Σ over the hosts in use of (1 + 2u - u²) / 2, where u is their utilisation, 1 at
    most: between half and one for each host.

    Concave, so that of two hosts the emptier one gives to the fuller one and the last domain's leaving pays most.
    Among hosts of one size, emptying one never costs more than it saves, wherever its domains go.

    ``demand``: float[D]; ``capacity``: float[H]: the utilisation that guides the search.
    """

    demand: FloatArray
    capacity: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MoveCost:
    """Each domain that does not stay where it is costs ``cost[d]``: float[D]."""

    cost: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """Domains that talk to each other are close. Cost: Σ_p rate_p · distance[host of a pair's first, of its second].

    ``pairs``: int[P, 2], two different domains each; ``rate``: float[P]; ``distance``: float[H, H], 0 on the diagonal.
    """

    pairs: IntArray
    rate: FloatArray
    distance: FloatArray


Primitive: TypeAlias = (
    AllowedHosts
    | AssignmentCost
    | Capacity
    | DistanceCost
    | Evenness
    | Failover
    | GroupLeast
    | GroupMost
    | GroupMoves
    | GroupSkew
    | GroupSpan
    | GroupsApart
    | HostsInUse
    | MoveCost
    | Near
    | Pool
    | Ratio
    | Traffic
)
