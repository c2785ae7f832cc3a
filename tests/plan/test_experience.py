from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.cluster import Domain, MigrationTraits, Writes
from rebalancer.cluster.units import Bytes, BytesPerSecond, Seconds
from rebalancer.plan.experience import Basis, Experience, Finished, Measured, Overheads, Volume, learn
from rebalancer.plan.file import dump_plan, parse_plan
from rebalancer.plan.make import make_plan
from rebalancer.plan.migration_model import forecast
from rebalancer.plan.writing import Known
from rebalancer.policy.load import load_policies
from tests.plan.test_make import cluster

MIB = 2**20
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
    assert found.volumes == {"u": Volume(share=0.5)}
    assert found.applied(Domain(name="d", uuid="u", host="h1", migration=GUEST)).migration.memory == 500
    assert found.overheads("h2", "h1") == found.anywhere


def test_what_writes_mattered_then_is_not_taken_for_memory() -> None:
    """Half of a guest's memory is empty; the model knows that what it writes is sent again."""
    writes = Writes(cold=BytesPerSecond(50.0))
    busy = replace(GUEST, memory=Bytes(10_000), writes=writes)
    sent = forecast(replace(busy, memory=Bytes(5_000)), BytesPerSecond(100.0), Seconds(0.3)).bytes
    found = learn([replace(ONCE, traits=busy, sent=sent, copying=Seconds(sent / 100), lasted=Seconds(1e6))])
    assert found.volumes["u"].share == pytest.approx(0.5, rel=0.01)


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
            memory=st.none() | st.integers(0, 10**12).map(Bytes),
            traits=st.builds(
                MigrationTraits,
                memory=st.integers(0, 10**12).map(Bytes),
                dirty_rate=st.none() | st.floats(0.0, 1e10).map(BytesPerSecond),
            ),
        )
        | st.builds(
            Measured,
            st.just("u"),
            st.builds(
                Writes,
                hot=st.integers(0, 10**11).map(Bytes),
                period=st.floats(1.0, 60.0).map(Seconds),
                cold=st.floats(0.0, 1e10).map(BytesPerSecond),
            ),
        )
    )
)
def test_whatever_was_reported_predictions_stay_sane(lessons: list[Finished | Measured]) -> None:
    found = learn(lessons)
    for overheads in (found.anywhere, *found.pairs.values()):
        assert overheads.setup >= 0
        assert overheads.finish >= 0
        assert 0.1 - 1e-9 <= overheads.efficiency <= 1 + 1e-9
        assert overheads.stream > 0
    for volume in (found.volume, *found.volumes.values()):
        assert 0 <= volume.own <= 128 * MIB
        assert 0 <= volume.share <= 20 + 1e-9
    for known in found.writes.values():
        assert 0 <= known.writes.within(1.0) < float("inf")
        assert 1 <= known.pages <= 200


def test_a_plan_goes_by_what_was_learnt_and_says_so() -> None:
    world = cluster("h1", "h2", web=("h1", 2)).with_maintenance(frozenset({"h1"}))
    policy = load_policies(["evacuate"], read=lambda path: path)
    slow = Overheads(setup=Seconds(20.0), finish=Seconds(10.0), basis=Basis.LEARNT)
    experience = Experience(pairs={("h1", "h2"): slow}, volumes={world.domains[0].uuid: Volume(share=0.5)})
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


def measured(*, hot: float = 0.0, cold: float = 0.0) -> Writes:
    """MiB, MiB/s."""
    return Writes(hot=Bytes(round(hot * MIB)), cold=BytesPerSecond(cold * MIB))


def guest(uuid: str = "u", *, memory: int = 1000, writes: Writes | None = None) -> Domain:
    """``memory``: MiB."""
    traits = MigrationTraits(memory=Bytes(memory * MIB), writes=writes)
    return Domain(name=uuid, uuid=uuid, host="h1", migration=traits)


def migrated(uuid: str = "u", *, said: int, memory: float, writes: Writes, shown: Writes | None = None) -> Finished:
    """A guest with so much memory (MiB) that writes so, at 10 MiB/s, though it was said to have and ``shown`` to do
    otherwise."""
    traits = MigrationTraits(memory=Bytes(said * MIB), writes=shown)
    truth = MigrationTraits(memory=Bytes(round(memory * MIB)), writes=writes)
    found = forecast(truth, BytesPerSecond(10.0 * MIB), Seconds(0.3))
    assert found.converges
    return replace(
        ONCE,
        uuid=uuid,
        traits=traits,
        copying=found.transfer,
        lasted=Seconds(found.transfer + 1.0),
        sent=found.bytes,
        rate=BytesPerSecond(10.0 * MIB),
        memory=truth.memory,
    )


def test_what_one_guest_was_found_to_have_besides_is_the_hypervisors_and_so_is_that_of_others() -> None:
    """41 MiB of each process are QEMU's own; one guest has grown between the plan and its migration."""
    idle = measured(cold=0.1)
    found = learn(
        [
            migrated("a", said=65, memory=24, writes=idle),
            migrated("b", said=93, memory=52, writes=idle),
            migrated("c", said=59, memory=60, writes=idle),
            migrated("d", said=105, memory=64, writes=idle),
        ]
    )
    assert found.applied(guest("a", memory=65)).migration.memory == 24 * MIB
    assert found.applied(guest("c", memory=101)).migration.memory == 60 * MIB
    assert found.applied(guest("new", memory=141)).migration.memory == 100 * MIB
    assert found.applied(guest("small", memory=40)).migration.memory == 2 * MIB, "it has some memory in any case"


def test_a_guest_whose_memory_is_half_empty_says_nothing_of_others() -> None:
    found = learn([migrated("a", said=8192, memory=4000, writes=measured(cold=0.1))])
    assert found.applied(guest("a", memory=8192)).migration.memory == pytest.approx(4000 * MIB, abs=1)
    assert found.applied(guest("b", memory=8192)).migration.memory == (8192 - 128) * MIB


@pytest.mark.parametrize("shown", [measured(cold=3.0), measured(cold=7.0), measured(hot=4.0, cold=5.0), None])
def test_what_was_sent_again_tells_how_a_guest_writes(shown: Writes | None) -> None:
    """5 MiB/s, though few samples have shown something else: the next prediction is much nearer to what it takes."""
    truth = measured(cold=5.0)
    once = migrated(said=100, memory=60, writes=truth, shown=shown)
    lessons: list[Finished | Measured] = [once] if shown is None else [Measured("u", shown), once]
    learnt = learn(lessons).applied(guest(memory=100, writes=shown)).migration
    unlearnt = replace(learnt, writes=shown)
    before, after = (forecast(each, BytesPerSecond(10.0 * MIB), Seconds(0.3)).bytes for each in (unlearnt, learnt))
    assert after == pytest.approx(once.sent, rel=0.15)
    assert abs(after - once.sent) < 0.4 * abs(before - once.sent)


def test_a_migration_that_was_over_at_once_says_nothing_of_writes() -> None:
    assert learn([migrated(said=100, memory=2, writes=measured(cold=5.0))]).writes == {}
    with_disk = migrated(said=100, memory=60, writes=measured(cold=5.0))
    with_disk = replace(with_disk, traits=replace(with_disk.traits, disk=Bytes(1)))
    assert learn([with_disk]).writes == {}, "what is written to its disk was sent, too"


def test_measurements_of_one_guest_that_say_much_the_same_count_together() -> None:
    """Each counts as one or two sampled pages of 2 MiB; what they say is written in 5 s decides."""
    known = learn([Measured("u", measured(cold=2.0)), Measured("u", measured(cold=4.0))])
    assert known.writes["u"].pages == 5 + 10
    assert known.applied(guest()).migration.writing.cold == pytest.approx((2.0 / 3 + 4.0 * 2 / 3) * MIB)
    again = known.applied(guest(writes=measured(cold=3.0))).migration.writing
    assert measured(cold=3.0).cold < again.cold < known.writes["u"].writes.cold
    other = guest(writes=measured(cold=90.0))
    assert known.applied(other).migration.writing.cold == 90.0 * MIB, "it does something else now"


def test_a_few_samples_less_or_more_are_chance() -> None:
    """6 pages of 2 MiB are to be expected in 5 s; that none is met happens, that of 60 none is does not."""
    slow, fast = Known(measured(cold=2.4), 100.0), Known(measured(cold=24.0), 100.0)
    still = guest(writes=measured())
    assert Experience(writes={"u": slow}).applied(still).migration.writing.cold == pytest.approx(2.4 * 100 / 106 * MIB)
    assert Experience(writes={"u": fast}).applied(still).migration.writing.cold == 0.0


def test_a_migration_outweighs_a_few_samples_but_not_many() -> None:
    once = migrated(said=100, memory=60, writes=measured(cold=5.0))
    few = learn([once]).applied(guest(writes=measured(cold=3.0))).migration.writing.cold
    assert few == pytest.approx(5.0 * MIB, rel=0.06)
    known = Experience(writes={"u": Known(measured(cold=60.0), 100.0)})
    many = known.applied(guest(writes=measured(cold=80.0))).migration.writing.cold
    assert many == pytest.approx(70.0 * MIB)


def test_what_was_learnt_is_forgotten() -> None:
    once = Measured("u", measured(cold=60.0))
    then = [Measured("u", measured(cold=90.0))] * 10
    assert learn([once, *then]).writes["u"].writes.cold == pytest.approx(90.0 * MIB, rel=0.01)


def test_a_hot_set_is_averaged_as_it_was_seen_in_both_windows() -> None:
    found = learn([Measured("u", measured(hot=40.0)), Measured("u", measured(hot=20.0, cold=5.0))]).writes["u"]
    part = found.writes.cold / (5.0 * MIB)
    assert 0.4 < part < 0.6
    assert found.writes.hot == pytest.approx((40.0 * (1 - part) + 20.0 * part) * MIB)
