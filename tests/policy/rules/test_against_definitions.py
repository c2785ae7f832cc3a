"""The rules that have other tests in files of their own, each against its definition by the shared harness."""

from __future__ import annotations

from random import Random

from rebalancer.policy import View
from rebalancer.policy.rules.affinity import Affinity
from rebalancer.policy.rules.anti_affinity import AntiAffinity
from rebalancer.policy.rules.ban import Ban
from rebalancer.policy.rules.pin import Pin
from rebalancer.policy.rules.stay import Stay
from tests.policy.harness import Placed, compare, some_domains, some_hosts, some_key, some_zones


def draw_affinity(random: Random, view: View) -> Affinity:
    return Affinity(
        group=some_key(random), select=some_domains(random), across=some_zones(random), most=random.randint(1, 3)
    )


def affinity(rule: Affinity, placed: Placed) -> float:
    groups = placed.groups(rule.group, rule.select).values()
    spans = [len({placed.zone(placed.host(d), rule.across, alone=True) for d in group}) for group in groups]
    return sum(max(span - rule.most, 0) for span in spans)


def test_affinity_costs_what_it_says() -> None:
    compare(draw_affinity, affinity)


def draw_anti_affinity(random: Random, view: View) -> AntiAffinity:
    return AntiAffinity(
        group=some_key(random), select=some_domains(random), across=some_zones(random), most=random.randint(1, 3)
    )


def anti_affinity(rule: AntiAffinity, placed: Placed) -> float:
    surplus = 0
    for group in placed.groups(rule.group, rule.select).values():
        at = [placed.zone(placed.host(domain), rule.across, alone=False) for domain in group]
        surplus += sum(max(at.count(zone) - rule.most, 0) for zone in set(at) - {None})
    return surplus


def test_anti_affinity_costs_what_it_says() -> None:
    compare(draw_anti_affinity, anti_affinity)


def draw_ban(random: Random, view: View) -> Ban:
    return Ban(select=some_domains(random), hosts=some_hosts(random, view))


def ban(rule: Ban, placed: Placed) -> float:
    banned = placed.chosen_hosts(rule.hosts)
    return sum(placed.host(domain) in banned for domain in placed.selected(rule.select))


def test_ban_costs_what_it_says() -> None:
    compare(draw_ban, ban)


def draw_pin(random: Random, view: View) -> Pin:
    return Pin(select=some_domains(random), hosts=some_hosts(random, view))


def pin(rule: Pin, placed: Placed) -> float:
    allowed = placed.chosen_hosts(rule.hosts)
    return sum(placed.host(domain) not in allowed for domain in placed.selected(rule.select))


def test_pin_costs_what_it_says() -> None:
    compare(draw_pin, pin)


def draw_stay(random: Random, view: View) -> Stay:
    return Stay(select=some_domains(random))


def stay(rule: Stay, placed: Placed) -> float:
    return sum(map(placed.moved, placed.selected(rule.select)))


def test_stay_costs_what_it_says() -> None:
    compare(draw_stay, stay)
