"""What really went over each link in a simulation, held against caps; shares no code with the executor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from rebalancer_simulator import Simulation

from rebalancer.cluster import DirectedLink

WINDOW = 5.0


def excess(simulation: Simulation, caps: Mapping[str, float]) -> list[str]:
    """Where caps were broken: at any instant by throttled sending, or on average over any window by all of it."""
    limit = {link: caps.get(link.link, float("inf")) * (1 + 1e-9) for s in simulation.traffic for link in s.rates}
    at_once = [
        f"{link} carried {rate:.0f} at {stretch.start:.3f}"
        for stretch in simulation.traffic
        for link, rate in stretch.throttled.items()
        if rate > limit[link]
    ]
    on_average = [text for link, most in limit.items() for text in _over_windows(simulation, link, most)]
    return at_once + on_average


def _over_windows(simulation: Simulation, link: DirectedLink, most: float) -> list[str]:
    """Windows that begin or end with a stretch; the average is highest at one of those."""
    times, sent = [0.0], [0.0]
    for stretch in simulation.traffic:
        times += [stretch.start, stretch.end]
        sent += [sent[-1], sent[-1] + stretch.rates.get(link, 0.0) * (stretch.end - stretch.start)]

    def until(time: float) -> float:
        index = bisect_right(times, time) - 1
        if index + 1 == len(times) or times[index + 1] == times[index]:
            return sent[index]
        share = (time - times[index]) / (times[index + 1] - times[index])
        return sent[index] + share * (sent[index + 1] - sent[index])

    starts = sorted({max(t, 0.0) for time in times for t in (time, time - WINDOW)})
    means = [(start, (until(start + WINDOW) - until(start)) / WINDOW) for start in starts]
    return [f"{link} carried {mean:.0f} on average from {start:.3f}" for start, mean in means if mean > most]
