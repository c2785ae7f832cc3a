"""A run as it goes on: a bar for each running migration on a terminal, lines elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from rebalancer.cluster.units import BytesPerSecond, format_duration, format_rate
from rebalancer.drivers import Progress
from rebalancer.execution import Observer, Silent, StepOutcome, StopSignal
from rebalancer.plan.model import Plan, Step
from rebalancer.report.console import glyphs, text
from rebalancer.report.plan import count
from rebalancer.report.run import outcome_line
from rebalancer.report.steps import step_title

__all__ = ["progress"]

_STOPPING = "stopping: what runs is finished, nothing more is started; once more to cancel what runs"
_CANCELLING = "cancelling what runs"
_QUARTERS = 4
_FIGURE = re.compile(r"[0-9]+")


@contextmanager
def progress(console: Console, stop: StopSignal) -> Iterator[Observer]:
    """The observer to give to a run; what is shown lasts as long as the block."""
    if not console.is_terminal:
        yield _Lines(console, stop)
        return
    columns: list[ProgressColumn] = [_Cell("title", console.width // 2), _Cell("state", 10)]
    if console.width >= 60:
        columns.insert(1, BarColumn(bar_width=min(30, console.width // 4)))
        columns.append(_Cell("rate", 14))
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Shown(console, stop, bars)


class _Cell(ProgressColumn):
    """A text of the task, cut to a width so that a line never wraps."""

    max_refresh = None

    def __init__(self, name: str, width: int) -> None:
        self._name = name
        self._width = width
        super().__init__(table_column=Column(no_wrap=True, overflow="ellipsis"))

    def render(self, task: Task) -> Text:
        shown: Text = task.fields[self._name].copy()
        shown.truncate(self._width, overflow="ellipsis")
        return shown


class _Lines(Silent):
    """A line for each beginning and end, and for each quarter between."""

    def __init__(self, console: Console, stop: StopSignal) -> None:
        self._console = console
        self._signs = glyphs(console)
        self._stop = stop
        self._told = 0
        self._steps = 0
        self._done = 0
        self._ended: set[str] = set()
        """A step may end twice: hosts that were silent answer later."""
        self._quarter: dict[str, int] = {}
        self._behind: dict[str, tuple[Step, BytesPerSecond | None]] = {}
        """Steps that are set up while others are still being sent, and the rate that they have until then."""
        self._held: tuple[str, ...] = ()

    def run_started(self, plan: Plan, run_id: int, done: int = 0) -> None:
        self._steps, self._done = len(plan.steps), done
        self._say(Text(f"run {run_id}: {count(self._steps, 'step')}" + (f", {done} done already" if done else "")))

    def run_held(self, reasons: Sequence[str]) -> None:
        # A figure that is another one at the next look (a pressure, the time that is left) is no news.
        held = tuple(_FIGURE.sub("", reason) for reason in reasons)
        if reasons and held != self._held:
            for reason in reasons:
                self._say(Text("held: ", style="yellow").append_text(text(reason)))
        elif self._held and not reasons:
            self._say(Text("goes on"))
        self._held = held

    def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
        self._quarter.pop(step.id, None)
        if behind:
            self._behind[step.id] = (step, rate)
            self._say(Text.assemble(self._title(step), f": started, sends once {', '.join(behind)} has been sent"))
        else:
            at = "without a cap" if rate is None else f"at {format_rate(rate)}"
            self._say(Text.assemble(self._title(step), f": started {at}"))

    def rates_changed(self, rates: Mapping[str, BytesPerSecond | None]) -> None:
        """What was only set up gets its share of the links."""
        for key, (step, before) in list(self._behind.items()):
            rate = rates.get(key, before)
            if rate is not None and rate != before:
                del self._behind[key]
                self._say(Text.assemble(self._title(step), f": sends at {format_rate(rate)}"))

    def step_postponed(self, step: Step, reason: str) -> None:
        self._behind.pop(step.id, None)
        self._say(Text.assemble((f"{self._signs.bad} ", "yellow"), self._title(step), ": ", text(reason)))

    def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None:  # noqa: ARG002
        self._tell_stop()
        share = _share(progress)
        quarter = int((share or 0.0) * _QUARTERS)
        if 0 < self._quarter.get(step.id, 0) + 1 <= quarter < _QUARTERS:
            self._say(Text.assemble(self._title(step), f": {100 * quarter // _QUARTERS}% sent"))
        self._quarter[step.id] = max(quarter, self._quarter.get(step.id, 0))

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        self._tell_stop()
        self._behind.pop(step.id, None)
        self._ended.add(step.id)
        ended = self._done + len(self._ended)
        self._say(outcome_line(step, outcome, self._signs).append(f" ({ended} of {self._steps})"))

    def _title(self, step: Step) -> Text:
        route = f" {self._signs.arrow} "
        return Text.assemble(
            text(step.id, "bold"), " ", text(step.domain), ", ", text(step.source), route, text(step.destination)
        )

    def _tell_stop(self) -> None:
        asked = 2 if self._stop.cancelled else 1 if self._stop.requested else 0
        if asked > self._told:
            self._told = asked
            self._say(Text(_CANCELLING if asked == 2 else _STOPPING, style="yellow"))

    def _say(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


class _Shown(_Lines):
    """Bars for what runs; a line above them for each end."""

    def __init__(self, console: Console, stop: StopSignal, bars: Bars) -> None:
        super().__init__(console, stop)
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def step_started(self, step: Step, rate: BytesPerSecond | None, behind: Sequence[str] = ()) -> None:
        if behind:
            self._behind[step.id] = (step, rate)
        title = Text.assemble(
            text(step.id, "bold"), " ", step_title(step, self._signs), f" {self._signs.arrow} ", text(step.destination)
        )
        self._tasks[step.id] = self._bars.add_task(
            "", total=None, title=title, state=Text("starting"), rate=self._rate(step, rate)
        )

    def step_progress(self, step: Step, progress: Progress, rate: BytesPerSecond | None) -> None:
        self._tell_stop()
        share, task = _share(progress), self._tasks.get(step.id)
        if task is not None:
            state = format_duration(progress.elapsed) if share is None else f"{100 * share:.0f}%"
            self._bars.update(
                task,
                total=None if share is None else 1.0,
                completed=share or 0.0,
                state=Text(state),
                rate=self._rate(step, rate),
            )

    def rates_changed(self, rates: Mapping[str, BytesPerSecond | None]) -> None:
        """The bars show them."""
        for key, (_, before) in list(self._behind.items()):
            if rates.get(key, before) != before:
                del self._behind[key]

    def step_postponed(self, step: Step, reason: str) -> None:
        self._remove(step)
        super().step_postponed(step, reason)

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        self._remove(step)
        super().step_finished(step, outcome)

    def _remove(self, step: Step) -> None:
        task = self._tasks.pop(step.id, None)
        if task is not None:
            self._bars.remove_task(task)

    def _rate(self, step: Step, rate: BytesPerSecond | None) -> Text:
        if step.id in self._behind:
            return Text("its turn next", style="dim")
        return Text("no cap" if rate is None else format_rate(rate), style="dim")


def _share(progress: Progress) -> float | None:
    """Of what is known to have to be sent: memory written again meanwhile makes it grow, so it may fall."""
    if progress.processed is None or progress.remaining is None or progress.processed + progress.remaining <= 0:
        return None
    return progress.processed / (progress.processed + progress.remaining)
