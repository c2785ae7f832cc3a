from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import Domain, MigrationTraits, Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.experience import Basis, Experience, Finished, Overheads, learn
from rebalancer.plan.file import dump_plan, parse_plan
from rebalancer.plan.make import make_plan
from rebalancer.plan.migration_model import forecast
from rebalancer.policy.load import load_policies
from tests.plan.test_make import cluster

GUEST = MigrationTraits(memory=Bytes(1000), dirty_rate=BytesPerSecond(0.0))
ONCE = Finished(
    source="h1",
    destination="h2",
    uuid="u",
    traits=GUEST,
    max_downtime=Seconds(0.3),
    lasted=Seconds(13.0),
    copying=Seconds(10.0),
    sent=Bytes(500),
    rate=BytesPerSecond(100.0),
)


def test_without_experience_everything_is_assumed() -> None:
    assert Experience().overheads("h1", "h2") == Overheads()
    assert learn([]) == Experience()


def test_one_migration_teaches_its_hosts_and_its_domain() -> None:
    found = learn([ONCE])
    there = found.overheads("h1", "h2")
    assert (there.setup + there.finish, there.efficiency, there.basis) == (3.0, 0.5, Basis.LEARNT)
    assert found.volumes == {"u": 0.5}
    assert found.applied(Domain(name="d", uuid="u", host="h1", migration=GUEST)).migration.memory == 500
    assert found.overheads("h2", "h1") == found.anywhere


def test_what_writes_mattered_then_is_not_taken_for_memory() -> None:
    """Half of a guest's memory is empty; the model knows that what it writes is sent again."""
    writes = Writes(cold=BytesPerSecond(50.0))
    busy = replace(GUEST, memory=Bytes(10_000), writes=writes)
    sent = forecast(replace(busy, memory=Bytes(5_000)), BytesPerSecond(100.0), Seconds(0.3)).bytes
    found = learn([replace(ONCE, traits=busy, sent=sent, copying=Seconds(sent / 100), lasted=Seconds(1e6))])
    assert found.volumes["u"] == pytest.approx(0.5, rel=0.01)


def test_later_migrations_count_more() -> None:
    slow, fast = replace(ONCE, lasted=Seconds(20.0)), replace(ONCE, lasted=Seconds(11.0))
    recent = learn([slow, slow, fast, fast]).overheads("h1", "h2")
    assert 1.0 < recent.setup + recent.finish < 0.6 * 10.0


def test_an_unlimited_migration_tells_what_one_stream_can_carry() -> None:
    found = learn([replace(ONCE, rate=None), ONCE]).overheads("h1", "h2")
    assert found.stream == 50.0
    assert found.efficiency == pytest.approx(0.7 * 1.0 + 0.3 * 0.5)


def test_a_clock_that_is_not_the_hypervisors_teaches_nothing() -> None:
    assert learn([replace(ONCE, lasted=Seconds(0.1))]) == Experience()


def test_what_is_known_of_a_domain() -> None:
    experience = learn([ONCE])
    unmeasured = Domain(name="d", uuid="u", host="h1")
    assert experience.basis(unmeasured) is Basis.LEARNT
    assert experience.basis(replace(unmeasured, uuid="other")) is Basis.ASSUMED
    assert experience.basis(replace(unmeasured, migration=GUEST)) is Basis.MEASURED


@given(
    st.lists(
        st.builds(
            replace,
            st.just(ONCE),
            lasted=st.floats(0.0, 1e4).map(Seconds),
            copying=st.floats(0.0, 1e4).map(Seconds),
            sent=st.integers(0, 10**12).map(Bytes),
            rate=st.none() | st.floats(1.0, 1e9).map(BytesPerSecond),
        )
    )
)
def test_whatever_was_reported_predictions_stay_sane(finished: list[Finished]) -> None:
    found = learn(finished)
    for overheads in (found.anywhere, *found.pairs.values()):
        assert overheads.setup >= 0
        assert overheads.finish >= 0
        assert 0.1 - 1e-9 <= overheads.efficiency <= 1 + 1e-9
        assert overheads.stream > 0
    assert all(0.05 - 1e-9 <= volume <= 20 + 1e-9 for volume in found.volumes.values())


def test_a_plan_goes_by_what_was_learnt_and_says_so() -> None:
    world = cluster("h1", "h2", web=("h1", 2)).with_maintenance(frozenset({"h1"}))
    policy = load_policies(["evacuate"], read=lambda path: path)
    slow = Overheads(setup=Seconds(20.0), finish=Seconds(10.0), basis=Basis.LEARNT)
    experience = Experience(pairs={("h1", "h2"): slow}, volumes={world.domains[0].uuid: 0.5})
    (before,), (after,) = make_plan(world, policy).steps, make_plan(world, policy, experience=experience).steps
    assert (before.predicted.overheads, before.predicted.writes) == (Basis.ASSUMED, Basis.ASSUMED)
    assert (after.predicted.overheads, after.predicted.writes) == (Basis.LEARNT, Basis.LEARNT)
    assert after.predicted.bytes == before.predicted.bytes / 2
    assert after.predicted.duration > 30.0
    plan = make_plan(world, policy, experience=experience)
    assert parse_plan(dump_plan(plan), "plan.json").steps == plan.steps


def test_what_migrations_take_besides_is_not_taken_for_a_lower_rate() -> None:
    """Each takes 2 s besides its 95 % of the rate, of which the hypervisor counts one as copying."""
    sizes = [100, 1000, 300, 2000, 500, 800]
    seconds = [size / 95.0 for size in sizes]
    found = learn(
        replace(ONCE, sent=Bytes(size), copying=Seconds(time + 1.0), lasted=Seconds(time + 2.0))
        for size, time in zip(sizes, seconds, strict=True)
    ).overheads("h1", "h2")
    assert found.efficiency == pytest.approx(0.95)
    assert found.setup + found.finish == pytest.approx(2.0)


def test_measurements_of_one_guest_that_say_much_the_same_count_together() -> None:
    def measured(cold: float) -> Writes:
        return Writes(cold=BytesPerSecond(cold))

    known = learn([], [("u", measured(2e6)), ("u", measured(4e6))])
    guest = Domain(name="d", uuid="u", host="h1", migration=replace(GUEST, dirty_rate=None))
    assert known.applied(guest).migration.writing.cold == pytest.approx(2.6e6)
    again = replace(guest, migration=replace(guest.migration, writes=measured(3e6)))
    assert known.applied(again).migration.writing.cold == pytest.approx(0.7 * 2.6e6 + 0.3 * 3e6)
    other = replace(guest, migration=replace(guest.migration, writes=measured(90e6)))
    assert known.applied(other).migration.writing.cold == 90e6, "it does something else now"


def test_a_hot_set_is_averaged_as_it_was_seen_in_both_windows() -> None:
    first, second = Writes(hot=Bytes(40 * 2**20)), Writes(hot=Bytes(20 * 2**20), cold=BytesPerSecond(2.0**20))
    found = learn([], [("u", first), ("u", second)]).writes["u"]
    assert (found.hot, found.cold) == (pytest.approx(34 * 2**20), pytest.approx(0.3 * 2**20))
