"""What the predicted timeline makes links carry and hosts do at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from rebalancer.checker.timeline import Span, events
from rebalancer.cluster import Link
from rebalancer.cluster.network import Caps, DirectedLink, follow
from rebalancer.cluster.units import Seconds, format_rate

__all__ = ["overcrowded", "overloaded"]

_SLACK = 1e-6


def overcrowded(spans: Sequence[Span]) -> Iterator[tuple[Seconds, str]]:
    """Steps that start when as many run as their settings allow, in all or on one of their hosts."""
    running = 0
    busy: Counter[str] = Counter()
    for event in events(spans):
        step, change = event.step, -1 if event.finishes else 1
        running += change
        busy.update({step.source: change, step.destination: change})
        if event.finishes:
            continue
        if running > step.settings.total:
            yield event.time, f"{step.id} is one of {running} at once; {step.settings.total} are allowed"
        for host in (step.source, step.destination):
            if busy[host] > step.settings.per_host:
                yield event.time, f"{step.id} is one of {busy[host]} at once on {host}"


def overloaded(
    spans: Sequence[Span], links: Sequence[Link], caps: Caps, slots: Mapping[str, int]
) -> Iterator[tuple[Seconds, str]]:
    """Links that more migrations would use at once than may, or that would have to carry more than their cap: at a
    start, by the rates given, or over any stretch of time, by the bytes that must pass within it."""
    ends = {link.name: link.connects for link in links}
    on_link: dict[DirectedLink, list[Span]] = defaultdict(list)
    for span in spans:
        try:
            route = follow(span.step.links, span.step.source, ends)
        except (KeyError, ValueError) as error:
            yield Seconds(span.start), f"{span.step.id}: its links are no route: {error}"
            continue
        for link in route:
            on_link[link].append(span)
    for link, users in on_link.items():
        yield from _jammed(link.link, users, slots.get(link.link, len(users)))
        cap = caps.get(link, caps.get(link.link))
        if cap is not None:
            yield from _over(link.link, users, cap)


def _over(link: str, users: Sequence[Span], cap: float) -> Iterator[tuple[Seconds, str]]:
    for span in users:
        given = sum(o.step.bandwidth or 0.0 for o in users if abs(o.start - span.start) <= _SLACK)
        if given > cap * (1 + _SLACK):
            yield Seconds(span.start), f"rates of {format_rate(given)} are given at once on {link}"
    for start, end, sent in _stretches(users):
        if sent > cap * (end - start) * (1 + _SLACK) + 1:
            rate = format_rate(sent / max(end - start, _SLACK))
            yield Seconds(start), f"{link} would carry {rate} from then to {end:.1f} s"


def _jammed(link: str, users: Sequence[Span], most: int) -> Iterator[tuple[Seconds, str]]:
    """A link is used from the first byte to the last."""
    sending = [
        (span.start + span.step.predicted.setup, span.end - span.step.predicted.finish, span.step.id) for span in users
    ]
    for begin, _, name in sending:
        at_once = sum(other <= begin + _SLACK and begin + _SLACK < end for other, end, _ in sending)
        if at_once > most:
            yield Seconds(begin), f"{name} is one of {at_once} at once on {link}; {most} are allowed"


def _stretches(spans: Sequence[Span]) -> Iterator[tuple[float, float, float]]:
    """From each start to each end: what is sent within. Whatever the rates in between, a link must carry that."""
    by_end = sorted(spans, key=lambda span: span.end)
    for start in {span.start for span in spans}:
        sent = 0.0
        for span in by_end:
            if span.start >= start:
                sent += span.step.predicted.bytes
                yield start, span.end, sent
