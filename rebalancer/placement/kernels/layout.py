"""Where things stand in the four flat arrays that all kernels take: ``ci, cf, si, sf``.

``ci`` and ``cf`` (whole numbers and floats) are constant and shared by all threads, ``si`` and ``sf`` are the state of
one search. The first entries of ``ci`` are a header: sizes, and the offsets at which tables begin. Tables are
flat, so that kernels run over lists, too; ``[D, K]`` after a name below says how its entries are ordered. Tables of
``si`` and ``sf`` are marked as such; all others are in ``ci`` (whole numbers) or ``cf`` (floats).
"""

from __future__ import annotations

# Sizes ------------------------------------------------------------
(
    DOMAINS,
    HOSTS,
    LEVELS,  # [worsening, tier 0, tier 1, …]
    ROWS,  # sums of demands over hosts, K
    CURVES,  # costs of one host each, J; the first HARD_CURVES of them are hard capacities
    HARD_CURVES,
    EXTREMES,
    COUNTINGS,  # a grouping of domains over a zoning of hosts
    GROUP_TERMS,  # the first HARD_GROUP_TERMS of them are hard
    HARD_GROUP_TERMS,
    GROUP_MOVES,
    FAILOVERS,
    DISTANCES,
    BUDGETS,
    POOLS,
    TRAFFICS,
    UNBROKEN,  # 1: no hard rule is broken at the start, so that level 1 is nothing but level 0
    # Placement ------------------------------------------------------------
    START,  # [D]
    PAYLOAD,  # [D], what is sent where a domain moves, in bytes and one for the move
    PLACE,  # si [D]
    FIRST,  # si [H], the first resident of each host, -1 for none
    NEXT,  # si [D]
    PREVIOUS,  # si [D]
    RESIDENTS,  # si [H], their number
    MOVED,  # si [1], how many domains stand elsewhere than at their start
    MOVED_DOMAIN,  # si [D], which ones of the section, in any order, and all that have moved since it was chosen
    MOVED_AT,  # si [D], where a domain is on that list, -1: it is not
    COST,  # sf [L], as far as it was added up
    DELTA,  # sf [L], what the move last looked at would change
    # Sums over hosts ------------------------------------------------------------
    DEMAND,  # [D, K]
    LOAD,  # sf [H, K]
    ROW_BOTH,  # [K], whether a moved domain counts where it started, too
    # Curves ------------------------------------------------------------
    CURVE_KIND,  # [J]
    CURVE_ROW,  # [J]
    CURVE_SECOND,  # [J], a second row of sums
    CURVE_LEVEL,  # [J]
    CURVE_WEIGHT,  # [J]
    CURVE_SLACK,  # [J]
    CURVE_TARGET,  # [J]
    CURVE_TOLERANCE,  # [J]
    CURVE_NUMBER,  # [J], of the hosts counted
    CURVE_LIMIT,  # [H, J]: the limit, or one through the capacity (0: not counted)
    CURVE_BOUND,  # [H, J]: hard: the limit or where it was broken at the start; ratio: the second capacity
    CURVE_VALUE,  # sf [H, J]
    CURVE_SUM,  # sf [J]
    # Extremes ------------------------------------------------------------
    EXTREME_ROW,  # [X]
    EXTREME_LEVEL,  # [X]
    EXTREME_RANGE,  # [X], whether the least utilised host counts, too
    EXTREME_NUMBERS,  # [X, 3]: weight, target, tolerance
    EXTREME_SHARE,  # [X, H]: one through the capacity, 0: not counted
    EXTREME_HOSTS,  # si [X, 6]: the three most and the three least utilised hosts, -1 where there are fewer
    EXTREME_COST,  # sf [X]
    # What a domain costs by itself ------------------------------------------------------------
    STATIC_ROW,  # [D], its row in the tables
    STATIC_TABLE,  # [L], offset of the level's table [S, H] in cf; -1: none
    STATIC_FORBIDDEN,  # offset of a table [S, H] in ci: how many hard rules forbid the host; -1: none
    MOVE_COST,  # [L], offset of the level's costs [D] in cf; -1: none
    DISTANCE_LEVEL,  # [T]
    DISTANCE_TABLE,  # [T], offset of [H, H] in cf
    DISTANCE_WEIGHT,  # [T]
    AWAY,  # [D], what a domain that is away from its start takes up on two hosts, in shares of a host
    # Groups ------------------------------------------------------------
    COUNTING,  # [Q, COUNTING_WIDTH]
    GROUP_TERM,  # [T, TERM_WIDTH]
    GROUP_WEIGHT,  # [T]
    # Moves of groups ------------------------------------------------------------
    GROUP_MOVE,  # [M, 4]: offset of groups [D], level, offset of counts [G] and of the histogram [D + 1] in si
    GROUP_MOVE_WEIGHT,  # [M]
    GROUP_MOVE_MOST,  # si [M]
    # Limits on moves ------------------------------------------------------------
    MAX_MOVES,  # -1: any number
    PER_HOST,  # -1: any number
    THROUGH,  # si [H]
    BUDGET,  # [B, 2]: offset of buckets [D] in ci, of what is used [buckets] in sf
    BUDGET_NUMBERS,  # [B, 2]: most, unit
    BUDGET_AMOUNT,  # [B, D]
    # Failover ------------------------------------------------------------
    FAILOVER,  # [F, FAILOVER_WIDTH]
    FAILOVER_NUMBERS,  # [F, 2]: weight, cost at the start
    FAILOVER_COST,  # sf [F]
    # Zones together, and traffic ------------------------------------------------------------
    POOL,  # [P, POOL_WIDTH]
    POOL_NUMBERS,  # [P, 3]: weight by scale, one by scale, slack
    TRAFFIC,  # [T, TRAFFIC_WIDTH]
    ARRIVALS_PER_HOST,  # -1: any number
    ARRIVED,  # si [H]
    # The search ------------------------------------------------------------
    RANDOM,  # si [1]
    BEST,  # si [D]
    BEST_COST,  # sf [L]
    CONTROL,  # si: see ``anneal``
    SETTINGS,  # sf: see ``anneal``
    SCRATCH,  # sf [L]
    STACK,  # si, moves of a chain that may be undone
    MOVERS,  # how many domains can go anywhere at all
    BY_SIZE,  # [MOVERS], these, the smallest first
    LARGE_FIRST,  # [MOVERS + 1], the first of a domain's places among LARGES, of which it has as many as it is large
    LARGES,
    SECTION,  # how many hosts a section has, HOSTS: it is the whole
    SECTION_HOST,  # si [H], all hosts, those of the section first
    IN_SECTION,  # si [H]
    SECTION_DOMAIN,  # si [MOVERS], the section's domains, the smallest first
    SECTION_LARGE,  # si [LARGES], places in that order, each as often as its domain is large
    REACH,  # [D, 2], where the list of a domain's hosts begins and how many they are; -1: any
    ROOMS,
    ROOM_BOTHS,  # how many of them, the first, are of sums in which a moved domain counts on both of its hosts
    ROOM_CURVE,  # [ROOMS], which hard capacity; the scarcest first
    ROOM,  # sf [H, ROOMS], how much more may come
    NEED,  # [D, ROOMS]
    HEADER,
) = range(103)

# Kinds of curves
CAPACITY, EVEN_ROOT, EVEN_SQUARE, ABOVE, RATIO, IN_USE, FLOOR = range(7)

# Kinds of rules on groups
MOST, SPAN, LEAST, SKEW, APART, NEAR = range(6)

# Fields of a counting; offsets into ``ci`` unless marked
(
    GROUP,  # [D], -1: in none
    ZONE,  # [H], -1: in none
    ZONES,  # their number
    DENSE,  # [G], the group's row of counts, -1: its members are looked through
    COUNT,  # si [rows, ZONES]
    MEMBER_FIRST,  # [G + 1]
    MEMBER,  # [members]
    USED,  # si [G], in how many zones; -1: nobody asks
    KINDS,  # si [ZONES], how many groups stand there; -1: nobody asks
    GROUPS,
    COUNTING_WIDTH,
) = range(11)

# Fields of a rule on groups
(
    KIND,
    TERM_COUNTING,
    LEVEL,
    MOST_ALLOWED,
    LEAST_WANTED,  # [G]
    BOUND,  # where it stood at the start: MOST: [rows, ZONES]; SPAN, LEAST, SKEW: [G]; APART: [ZONES]; NEAR: [pairs]
    NEEDS_FIRST,  # NEAR: [G + 1], into NEEDS
    NEEDS,  # [n, 2]: pair, the other group
    SERVES_FIRST,  # [G + 1]
    SERVES,  # [n, 2]
    LONELY,  # si [pairs]
    TERM_WIDTH,
) = range(12)

# Fields of a failover rule
(
    FAILOVER_LEVEL,
    RESOURCES,  # how many
    FAILOVER_ROWS,  # [R], their rows of sums
    TOLERATE,
    FAILOVER_ZONE,  # [H]
    FAILOVER_ZONES,
    ZONE_FIRST,  # [Z + 1], into ZONE_HOST
    ZONE_HOST,  # [H], by zone
    FAILOVER_LIMIT,  # cf [H, R]
    FAILOVER_SCALE,  # cf [R]
    LARGEST,  # cf [R], the largest demand
    TAKEN,  # sf [Z, R]: what is lost with a zone, its load and its room
    FREE,  # sf [R], over all hosts
    ROOMY,  # si [Z]: the hosts there that have room for the largest demand of each resource
    ROOMY_ZONES,  # si [1]
    FAILOVER_WIDTH,
) = range(16)

# Fields of CONTROL (si)
(
    ITERATIONS,  # how many tries
    FOCUS,  # the level that is bettered
    SPENT,  # tries so far
    ACCEPTED,  # of the last slice
    SUBJECT,  # the domain of a single move
    DESTINATION,
    CURSOR,  # the domain that a descent looks at next
    IDLE,  # how many domains in a row it has found at their best hosts
    SAMPLED,
    SECTION_DOMAINS,  # how many domains the section has
    SECTION_LARGES,
    LISTED,  # how many domains MOVED_DOMAIN lists
) = range(12)

# Fields of SETTINGS (sf)
(
    TEMPERATURE,
    SWAPS,  # the share of swaps
    CHAINS,  # the share of swaps and chains
    SQUEEZES,  # the share of swaps, chains and squeezes
    CLEARANCES,  # the share of all these and of clearing out a host
    HOMESICKNESS,  # what being away costs on the level in focus beside all else, for each unit of AWAY
    TYPICAL,  # what a move changes of the level in focus, on average
    BIAS,  # the share of tries that pick a domain by its size
    ALIKE,  # the share of swaps that are between domains of about the same size
    AGAIN,  # the share of tries that are about a domain that has moved
) = range(10)

# Fields of a pool
(
    POOL_LEVEL,
    POOL_ZONE,  # [H], -1: not looked at
    POOL_ZONES,
    POOL_DEMAND,  # cf [D]
    POOL_GROUP,  # [D]; -1: no groups
    POOL_PRESENCE,  # cf [G]
    POOL_BOUNDS,  # cf [Z, 4]: most, least; the same, or where it stood at the start
    POOL_LOAD,  # sf [Z]
    POOL_SUM,  # sf [G, Z]
    POOL_COUNT,  # si [G, Z]
    POOL_WIDTH,
) = range(11)

# Fields of traffic
(
    TRAFFIC_LEVEL,
    TRAFFIC_FIRST,  # [D + 1], into the partners
    TRAFFIC_PARTNER,  # [n, 2]: the other domain; 1: this one is the first of the pair
    TRAFFIC_RATE,  # cf [n]
    TRAFFIC_DISTANCE,  # cf [H, H]
    TRAFFIC_WEIGHT,  # cf [1]
    TRAFFIC_WIDTH,
) = range(7)
