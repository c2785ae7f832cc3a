from __future__ import annotations

from dataclasses import replace

import pytest

from rebalancer.cluster import Cluster, Domain, DomainState, Host, HostState, MigrationTraits
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.errors import RebalancerError
from rebalancer.plan.file import dump_plan, parse_plan
from rebalancer.plan.make import assess, make_plan
from rebalancer.plan.model import Plan
from rebalancer.policy.history import History
from rebalancer.policy.load import load_policies
from rebalancer.policy.model import Policy
from tests.plan.worlds import ABLE, GIB, nic

UUID = "00000000-0000-4000-8000-{:012d}"


def policy(text: str, base: str = "") -> Policy:
    head = "apiVersion: rebalancer/v1\nkind: Policy\nmetadata: {name: test}\n"
    if base:
        head += f"extends: [{base}]\n"

    def read(_: str) -> str:
        return head + text

    return load_policies(["./test.yaml"], read)


def cluster(*hosts: str, memory: float = 16, **placed: tuple[str, float]) -> Cluster:
    """``web=("h1", 2)``: a domain, its host and its GiB."""
    return Cluster(
        name="test",
        hosts=tuple(Host(name=name, capacity={"cpu": 8.0, "memory": memory * GIB}, migration=ABLE) for name in hosts),
        domains=tuple(
            Domain(
                name=name,
                uuid=UUID.format(number),
                host=host,
                uses={"cpu": 0.5, "memory": size * GIB},
                migration=MigrationTraits(memory=Bytes(round(size * GIB))),
            )
            for number, (name, (host, size)) in enumerate(placed.items())
        ),
    )


CROWDED = cluster("h1", "h2", "h3", **{f"web{i}": ("h1", 1.5) for i in range(9)})


def apply(plan_of: Cluster, placement: dict[str, str]) -> Cluster:
    return replace(
        plan_of,
        domains=tuple(replace(domain, host=placement.get(domain.uuid, domain.host)) for domain in plan_of.domains),
    )


@pytest.mark.parametrize("name", ["balance", "consolidate", "evacuate"])
def test_planning_again_after_a_plan_gives_an_empty_plan(name: str) -> None:
    ready_made = load_policies([name], read=lambda path: path)
    plan = make_plan(CROWDED, ready_made)
    again = make_plan(apply(CROWDED, dict(plan.placement)), ready_made)
    assert again.steps == ()


def test_a_crowded_host_is_relieved_and_each_step_says_why() -> None:
    plan = make_plan(CROWDED, load_policies(["balance"], read=lambda path: path))
    assert plan.steps
    assert plan.after.total < plan.before.total
    for step in plan.steps:
        assert step.why
        assert all(reason.before > reason.after for reason in step.why)


def test_a_host_in_maintenance_is_emptied() -> None:
    emptied = CROWDED.with_maintenance(frozenset({"h1"}))
    plan = make_plan(emptied, load_policies(["evacuate"], read=lambda path: path))
    assert {step.source for step in plan.steps} == {"h1"}
    assert len(plan.steps) == 9
    assert plan.violations_before
    assert not plan.violations_after
    assert not plan.unplaced


def test_a_domain_that_cannot_leave_is_named_with_a_reason_for_each_host() -> None:
    world = cluster("h1", "h2", "h3", big=("h1", 20), small=("h1", 1)).with_maintenance(frozenset({"h1"}))
    plan = make_plan(world, load_policies(["evacuate"], read=lambda path: path))
    assert [step.domain for step in plan.steps] == ["small"]
    (left,) = plan.unplaced
    assert left.domain == "big"
    assert set(left.reasons) == {"h2", "h3"}
    assert all("memory" in reason and "20 GiB" in reason for reason in left.reasons.values())
    (conflict,) = plan.conflicts
    assert conflict.domains == (left.uuid,)
    assert [rule.partition(":")[0] for rule in conflict.rules] == ["capacity"], "it fits on no host, h1 included"
    assert conflict.proved
    assert parse_plan(dump_plan(plan), "plan.json").conflicts == plan.conflicts


def test_a_domain_that_may_not_migrate_says_why() -> None:
    world = cluster("h1", "h2", gpu=("h1", 1))
    traits = MigrationTraits(memory=Bytes(GIB), allowed=False, reason="PCI device 0000:01:00.0 is passed through")
    world = replace(world, domains=(replace(world.domains[0], migration=traits),)).with_maintenance(frozenset({"h1"}))
    plan = make_plan(world, load_policies(["evacuate"], read=lambda path: path))
    assert "0000:01:00.0" in plan.unplaced[0].reasons["h2"]


def test_what_the_destination_lacks_is_said() -> None:
    world = cluster("h1", "h2", web=("h1", 1))
    hosts = (
        replace(world.hosts[0], offers={"network": frozenset({"prod"})}),
        replace(world.hosts[1], offers={"network": frozenset({"test"})}),
    )
    domains = (replace(world.domains[0], needs={"network": frozenset({"prod"})}),)
    world = replace(world, hosts=hosts, domains=domains).with_maintenance(frozenset({"h1"}))
    plan = make_plan(world, load_policies(["evacuate"], read=lambda path: path))
    assert "network 'prod'" in plan.unplaced[0].reasons["h2"]


def test_an_unreachable_host_takes_nothing() -> None:
    world = replace(CROWDED, hosts=(*CROWDED.hosts[:2], replace(CROWDED.hosts[2], state=HostState.UNREACHABLE)))
    plan = make_plan(world, load_policies(["balance"], read=lambda path: path))
    assert {step.destination for step in plan.steps} == {"h2"}


def test_what_cannot_be_reached_is_noted_and_the_rest_is_planned() -> None:
    world = cluster("h1", "h2", "h3", memory=8, left=("h1", 7), right=("h2", 7), low=("h3", 4), free=("h3", 1))
    rules = """
rules:
  - capacity: {resource: memory}
  - pin: {select: "name == 'left'", hosts: [h2], soft: 5}
  - pin: {select: "name == 'right'", hosts: [h1], soft: 5}
  - pin: {select: "name == 'free'", hosts: [h1]}
"""
    plan = make_plan(world, policy(rules))
    assert [step.domain for step in plan.steps] == ["free"]
    assert any("no other host can help" in note for note in plan.notes)


ONE_WAY = replace(
    cluster("h1", "h2", "h3", memory=8, left=("h1", 8), right=("h2", 8)),
    links=(nic("h1", 1e9), nic("h2", 1e9), nic("h3", 1e9)),
)
"""Two domains that are to change places, and a host that can be reached and not left again."""
SWAP = """
rules:
  - capacity: {resource: memory}
  - pin: {select: "name == 'left'", hosts: [h2], soft: 5}
  - pin: {select: "name == 'right'", hosts: [h1], soft: 5}
links:
  - {select: "name == 'h3-nic'", outbound: 1 kbit/s}
"""


def test_of_those_that_block_each_other_only_one_goes_elsewhere() -> None:
    plan = make_plan(ONE_WAY, policy(SWAP))
    assert {step.domain for step in plan.steps} == {"left", "right"}
    assert [step.destination for step in plan.steps if step.destination != "h3"] in (["h1"], ["h2"])
    assert plan.after.total == 5.0
    assert any("they block each other" in note for note in plan.notes)


def test_the_best_of_those_that_block_each_other_goes_elsewhere() -> None:
    plan = make_plan(ONE_WAY, policy(SWAP.replace("[h2], soft: 5", "[h2], soft: 6")))
    assert sorted((step.domain, step.destination) for step in plan.steps) == [("left", "h2"), ("right", "h3")]


def test_knots_one_after_another_are_all_got_around() -> None:
    world = cluster(
        *("h1", "h2", "h3", "h4", "h5"),
        memory=8,
        left=("h1", 8),
        right=("h2", 8),
        up=("h4", 8),
        down=("h5", 8),
    )
    world = replace(world, links=tuple(nic(host.name, 1e9) for host in world.hosts))
    both = SWAP.replace(
        "links:",
        """  - pin: {select: "name == 'up'", hosts: [h5], soft: 3}
  - pin: {select: "name == 'down'", hosts: [h4], soft: 3}
links:""",
    )
    plan = make_plan(world, policy(both))
    assert plan.after.total == 5.0, "where one of the heavier pair has left, the other pair changes places"


def test_a_domain_that_would_never_converge_stays_and_the_reason_is_said() -> None:
    world = cluster("h1", "h2", hot=("h1", 4))
    traits = replace(world.domains[0].migration, dirty_rate=BytesPerSecond(50e6))
    world = replace(
        world, domains=(replace(world.domains[0], migration=traits),), links=(nic("h1", 12.5e6), nic("h2", 1e9))
    )
    plan = make_plan(world, policy('rules:\n  - pin: {select: "true", hosts: [h2]}\n'))
    assert plan.steps == ()
    (reason,) = plan.unplaced[0].reasons.values()
    assert reason.startswith("cannot be brought there: would never converge")
    assert "100 Mbit/s" not in reason
    assert plan.notes == ()
    allowed = (
        make_plan(
            world,
            policy(
                'rules:\n  - pin: {select: "true", hosts: [h2]}\n'
                'migration:\n  - {select: "true", when_not_converging: [auto_converge, cancel]}\n'
            ),
        )
        if ABLE.auto_converge
        else None
    )
    assert allowed is None or allowed.steps


def test_no_gain_worth_the_moves_is_said() -> None:
    lopsided = cluster("h1", "h2", a=("h1", 2), b=("h1", 2), c=("h2", 3))
    rules = "goals:\n  - balance: {resource: memory}\n  - move_cost: {per_move: 0.1}\nlimits: {min_gain: 99.9%}\n"
    plan = make_plan(lopsided, policy(rules))
    assert plan.steps == ()
    assert plan.notes == () or "min_gain" in plan.notes[0]


def test_max_moves_is_kept() -> None:
    plan = make_plan(CROWDED, policy("limits: {max_moves: 2}\n", base="balance"))
    assert len(plan.placement) == 2


@pytest.mark.parametrize("on_clash", ["order", "forbid"])
def test_where_only_a_new_name_would_make_room_that_is_said(on_clash: str) -> None:
    world = cluster("h1", "h2", "h3", memory=8, left=("h1", 7), right=("h2", 7))
    domains = tuple(replace(domain, name="db") for domain in world.domains)
    defined = Domain(name="db", uuid=UUID.format(9), host="h3", state=DomainState.SHUT_OFF)
    world = replace(world, domains=(*domains, defined))
    swap = PINNED_SWAP.replace("name == 'left'", "host == 'h1'").replace("name == 'right'", "host == 'h2'")
    assert len(make_plan(world, policy(swap)).steps) == 3
    plan = make_plan(world, policy(f"{swap}names: {{on_clash: {on_clash}}}\n"))
    assert plan.steps == ()
    assert "with 'names: {on_clash: rename}' all could be moved" in plan.unplaced[0].reasons["h2"]


def twins(*hosts: str, memory: float = 16, **placed: tuple[str, float]) -> Cluster:
    """Domains that have all the same name."""
    world = cluster(*hosts, memory=memory, **placed)
    return replace(world, domains=tuple(replace(domain, name="web") for domain in world.domains))


def names_after(plan: Plan) -> dict[str, tuple[str, str]]:
    """UUID → where the domain is in the end and what it is called there, of those that move."""
    return {step.uuid: (step.destination, step.name_after) for step in plan.steps}


LEAVES = "rules:\n  - ban: {select: \"host == 'h1'\", hosts: [h1]}\n"
TWINS = twins("h1", "h2", "h3", a=("h1", 2), b=("h2", 2))


@pytest.mark.parametrize("goals", ["", "goals:\n  - move_cost: {per_move: 0.1}\n"])
def test_of_hosts_that_are_as_good_one_is_taken_where_the_name_is_free(goals: str) -> None:
    plan = make_plan(TWINS, policy(LEAVES + goals))
    assert names_after(plan) == {UUID.format(0): ("h3", "web")}
    assert "names: renamed" not in plan.after.parts


def test_a_new_name_is_taken_where_another_host_would_cost_more() -> None:
    prefers = "  - prefer: {select: 'true', hosts: [h1, h2], weight: WEIGHT}\n"
    wanted = policy(LEAVES + prefers.replace("WEIGHT", "0.2"))
    plan = make_plan(TWINS, wanted)
    assert names_after(plan) == {UUID.format(0): ("h2", "web-h1")}
    assert plan.after.parts["names: renamed"] == pytest.approx(0.1)
    indifferent = policy(LEAVES + prefers.replace("WEIGHT", "0.05"))
    assert names_after(make_plan(TWINS, indifferent)) == {UUID.format(0): ("h3", "web")}


def test_where_new_names_cost_nothing_names_decide_nothing() -> None:
    # Of equals the first.
    plan = make_plan(TWINS, policy(f"{LEAVES}names: {{rename_cost: 0}}\n"))
    assert names_after(plan) == {UUID.format(0): ("h2", "web-h1")}
    assert "names: renamed" not in plan.after.parts


def test_where_waiting_keeps_all_names_nobody_is_renamed_or_sent_elsewhere() -> None:
    chain = twins("h1", "h2", "h3", "h4", a=("h1", 2), b=("h2", 2))
    pinned = [
        f"  - pin: {{select: \"host == '{host}'\", hosts: {hosts}}}\n"
        for host, hosts in (("h1", "[h2]"), ("h2", "[h3]"))
    ]
    plan = make_plan(chain, policy(f"rules:\n{''.join(pinned)}"))
    assert names_after(plan) == {UUID.format(1): ("h3", "web"), UUID.format(0): ("h2", "web")}
    assert "names: renamed" not in plan.after.parts


@pytest.mark.parametrize("goals", ["", "goals:\n  - balance: {resource: memory, tolerance: 99%}\n"])
def test_nobody_is_moved_to_let_another_keep_its_name(goals: str) -> None:
    pinned = "rules:\n  - pin: {select: \"host == 'h1'\", hosts: [h2]}\n"
    assert names_after(make_plan(TWINS, policy(pinned + goals))) == {UUID.format(0): ("h2", "web-h1")}


def test_a_new_name_on_the_way_costs_nothing() -> None:
    """Two that change places with no room for both meet on no host in the end."""
    world = twins("h1", "h2", "h3", memory=8, left=("h1", 7), right=("h2", 7))
    swap = PINNED_SWAP.replace("name == 'left'", "host == 'h1'").replace("name == 'right'", "host == 'h2'")
    plan = make_plan(world, policy(swap))
    assert len(plan.steps) == 3
    assert "names: renamed" not in plan.after.parts


def test_a_host_that_is_emptied_sends_its_domains_where_their_names_are_free() -> None:
    world = twins("h1", "h2", "h3", a=("h1", 2), b=("h2", 2), other=("h3", 2))
    world = replace(world, domains=(*world.domains[:2], replace(world.domains[2], name="db")))
    plan = make_plan(world.with_maintenance(frozenset({"h1"})), policy("", base="evacuate"))
    assert names_after(plan) == {UUID.format(0): ("h3", "web")}


def test_what_may_start_in_an_hour_is_in_the_times() -> None:
    world = cluster("h1", "h2", web=("h1", 1), db=("h1", 1), old=("h2", 1)).with_maintenance(frozenset({"h1"}))
    lately = History(now=Seconds(1000.0), moves={world.domains[2].uuid: (Seconds(400.0), Seconds(-5000.0))})
    plan = make_plan(world, policy("limits: {per_hour: 2}\n", "evacuate"), history=lately)
    assert [step.predicted.start for step in plan.steps] == [0.0, 3000.0]
    assert plan.makespan == pytest.approx(plan.makespan_bound)


@pytest.mark.parametrize(("duration", "fits"), [("2 min", False), ("2 h", True)])
def test_a_plan_that_takes_longer_than_any_window_says_so(duration: str, fits: bool) -> None:
    world = cluster("h1", "h2", web=("h1", 4)).with_maintenance(frozenset({"h1"}))
    world = replace(world, links=(nic("h1", 1e7), nic("h2", 1e7)))
    windows = f'windows: [{{cron: "0 22 * * 6", duration: 1 min}}, {{cron: "0 1 * * 6", duration: {duration}}}]\n'
    plan = make_plan(world, policy(windows, "evacuate"))
    assert any("no window is open for more than 2 min" in note for note in plan.notes) is not fits


def test_two_running_domains_of_one_uuid_are_left_alone_and_reported() -> None:
    world = cluster("h1", "h2", "h3", twin=("h1", 1))
    world = replace(world, domains=(world.domains[0], replace(world.domains[0], host="h2")))
    plan = make_plan(world.with_maintenance(frozenset({"h1"})), load_policies(["evacuate"], read=lambda path: path))
    assert plan.steps == ()
    assert "UUID" in str(plan.unplaced[0].reasons) + str(plan.violations_after)


def test_a_stopped_definition_of_the_same_uuid_under_another_name_bars_the_host() -> None:
    world = cluster("h1", "h2", web=("h1", 1))
    stale = replace(world.domains[0], host="h2", name="old-web", state=DomainState.SHUT_OFF)
    world = replace(world, domains=(*world.domains, stale)).with_maintenance(frozenset({"h1"}))
    plan = make_plan(world, load_policies(["evacuate"], read=lambda path: path))
    assert plan.steps == ()
    assert "old-web" in plan.unplaced[0].reasons["h2"]


def test_the_plan_file_says_all_that_the_plan_does() -> None:
    world = replace(CROWDED, links=(nic("h1", 1e8), nic("h2", 1e9), nic("h3", 1e9)))
    plan = make_plan(world, load_policies(["balance"], read=lambda path: path), created_at="2026-11-22T18:00:00Z")
    text = dump_plan(plan)
    read = parse_plan(text, "plan.json")
    assert read == plan
    assert dump_plan(read) == text
    assert (
        dump_plan(
            make_plan(world, load_policies(["balance"], read=lambda path: path), created_at="2026-11-22T18:00:00Z")
        )
        == text
    )


def test_whole_numbers_stay_whole_in_a_plan_file() -> None:
    plan = make_plan(CROWDED, load_policies(["balance"], read=lambda path: path))
    steps = tuple(replace(step, uses={"memory": GIB, "cpu": 1.5}) for step in plan.steps)
    text = dump_plan(replace(plan, steps=steps))
    assert dump_plan(parse_plan(text, "plan.json")) == text


def test_a_plan_file_with_a_wrong_reference_is_refused_with_its_position() -> None:
    text = dump_plan(make_plan(CROWDED, load_policies(["balance"], read=lambda path: path)))
    with pytest.raises(RebalancerError, match=r"plan\.json:\d+:\d+: there is no host 'h9'"):
        parse_plan(text.replace('"destination": "h2"', '"destination": "h9"', 1), "plan.json")


def test_assess_moves_nothing() -> None:
    plan = assess(CROWDED, load_policies(["balance"], read=lambda path: path))
    assert plan.steps == ()
    assert plan.before == plan.after


PINNED_SWAP = """
rules:
  - capacity: {resource: memory}
  - pin: {select: "name == 'left'", hosts: [h2]}
  - pin: {select: "name == 'right'", hosts: [h1]}
"""


def test_a_domain_that_stands_where_it_must_not_may_be_parked_where_it_must_not() -> None:
    plan = make_plan(cluster("h1", "h2", "h3", memory=8, left=("h1", 7), right=("h2", 7)), policy(PINNED_SWAP))
    assert len(plan.steps) == 3
    assert not plan.violations_after


def test_a_domain_is_never_parked_on_a_host_that_cannot_run_it() -> None:
    world = cluster("h1", "h2", "h3", memory=8, left=("h1", 7), right=("h2", 7))
    offers = {"network": frozenset({"prod"})}
    hosts = (
        *(replace(host, offers=offers) for host in world.hosts[:2]),
        replace(world.hosts[2], offers={"network": frozenset()}),
    )
    domains = tuple(replace(domain, needs={"network": frozenset({"prod"})}) for domain in world.domains)
    plan = make_plan(replace(world, hosts=hosts, domains=domains), policy(PINNED_SWAP))
    assert plan.steps == ()
    assert all("no other host can help" in "".join(each.reasons.values()) for each in plan.unplaced)
    assert len(plan.unplaced) == 2


def frantic(**settings: str) -> tuple[Cluster, Policy]:
    """A host to be emptied, over 1 Gbit/s, of a calm guest and one that writes 900 MiB/s."""
    world = cluster("h1", "h2", "h3", calm=("h1", 4), frantic=("h1", 4)).with_maintenance(frozenset({"h1"}))
    calm, busy = world.domains
    busy = replace(busy, migration=replace(busy.migration, dirty_rate=BytesPerSecond(900 * 2.0**20)))
    hosts = tuple(replace(host, migration=replace(host.migration, post_copy=True)) for host in world.hosts)
    world = replace(world, hosts=hosts, domains=(calm, busy), links=tuple(nic(host.name, 1.25e8) for host in hosts))
    text = ", ".join(f"{key}: {value}" for key, value in settings.items())
    migration = f"migration: [{{select: \"name == 'frantic'\", {text}}}]\n" if text else ""
    return world, policy("links: [{select: 'true', most: 80%}]\n" + migration, "evacuate")


def test_a_guest_that_writes_more_than_links_carry_keeps_no_other_back_and_says_what_would_help() -> None:
    plan = make_plan(*frantic())
    assert [step.domain for step in plan.steps] == ["calm"]
    assert all("would never converge" in reason for reason in plan.unplaced[0].reasons.values())


@pytest.mark.parametrize(
    "settings", [{"when_not_converging": "[post_copy]"}, {"when_not_converging": "[pause]"}, {"live": "false"}]
)
def test_a_guest_that_need_not_converge_may_write_more_than_links_carry(settings: dict[str, str]) -> None:
    plan = make_plan(*frantic(**settings))
    assert {step.domain for step in plan.steps} == {"calm", "frantic"}
    assert not plan.unplaced


@pytest.mark.parametrize("settings", [{}, {"when_not_converging": "[post_copy]"}])
def test_a_guest_whose_disks_are_written_faster_than_they_can_be_copied_stays(settings: dict[str, str]) -> None:
    world, rules = frantic(**settings)
    traits = MigrationTraits(memory=Bytes(GIB), disk=Bytes(9 * GIB), disk_writes=BytesPerSecond(900 * 2.0**20))
    calm, busy = world.domains
    plan = make_plan(replace(world, domains=(calm, replace(busy, migration=traits))), rules)
    assert [step.domain for step in plan.steps] == ["calm"]
    assert all("its disks are written at 7.5 Gbit/s" in reason for reason in plan.unplaced[0].reasons.values())


def test_moves_over_links_too_narrow_do_not_keep_the_others_back() -> None:
    names = [f"h{i}" for i in range(1, 6)]
    world = cluster(*names, **{f"web{i}": ("h1", 1.5) for i in range(8)})
    links = tuple(nic(name, 5e5 if name in ("h2", "h3", "h4") else 1e9) for name in names)
    plan = make_plan(replace(world, links=links), load_policies(["balance"], read=lambda path: path))
    assert {step.destination for step in plan.steps} == {"h5"}


def test_a_way_that_no_known_link_is_on_is_noted_where_links_are_known() -> None:
    world = cluster("h1", "h2", web=("h1", 1)).with_maintenance(frozenset({"h1"}))
    rules = load_policies(["evacuate"], read=lambda path: path)
    assert make_plan(world, rules).notes == ()
    joined = make_plan(replace(world, links=(nic("h1", 1e9), nic("h2", 1e9))), rules)
    assert joined.notes == ()
    (note,) = make_plan(replace(world, links=(nic("h1", 1e9), nic("h2", 1e9, "other"))), rules).notes
    assert note.startswith("no links of the inventory lead from h1 to h2")


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("", "'h2-nic' has 2.9 Mbit/s for it, and the least that h1 can be told is 8.4 Mbit/s"),
        (
            "migration: [{bandwidth: 1 Mbit/s}]",
            "the policy's bandwidth is 1 Mbit/s, and the least that h1 can be told is 8.4 Mbit/s",
        ),
    ],
)
def test_a_way_that_is_too_narrow_for_any_migration_says_where(rules: str, why: str) -> None:
    world = cluster("h1", "h2", web=("h1", 1)).with_maintenance(frozenset({"h1"}))
    plan = make_plan(replace(world, links=(nic("h1", 1e9), nic("h2", 5e5))), policy(rules, "evacuate"))
    assert plan.steps == ()
    assert f"there is less room on its way than any migration takes: {why}" in plan.unplaced[0].reasons["h2"]


def test_a_rule_on_some_domains_is_no_guard_on_all() -> None:
    world = cluster("h1", "h2", a=("h1", 2), b=("h1", 2))
    rules = """
rules:
  - capacity: {resource: memory, most: 20%, select: "name == 'a'"}
  - capacity: {resource: memory}
"""
    plan = make_plan(world, policy(rules))
    assert plan.guards.hosts["memory"]["h1"] == 16 * GIB


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"domain": "web', '"domain": "xeb', r"'steps'|called"),
        ('"new_name": null', '"new_name": "a/b"', "new_name"),
        ('"new_name": null', '"new_name": ""', "new_name"),
        ('"timeout": 1800', '"timeout": -1', "timeout"),
        ('"source": "h1"', '"source": "h2"', "at this step the domain is on h1"),
        ('"state": "running"', '"state": "paused"', "changed by hand"),
        ('"guards"', '"guard"', "guard"),
    ],
)
def test_a_plan_changed_by_hand_is_refused_before_anything_is_done(old: str, new: str, message: str) -> None:
    text = dump_plan(make_plan(CROWDED, load_policies(["balance"], read=lambda path: path)))
    assert old in text
    with pytest.raises(RebalancerError, match=message):
        parse_plan(text.replace(old, new, 1), "plan.json")
