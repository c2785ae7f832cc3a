"""The kill campaign: the controller is killed at every boundary of its journal and at random instants, then resumed."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from .stage import Command, Stage

OF_RESUMING = frozenset({"before take_over", "after take_over"})
"""Boundaries that only a run that was killed has."""


@dataclass
class Figures:
    rounds: int = 0
    steps: int = 0
    boundaries: int = 0
    """Boundaries that there are, each of which must have been died at."""
    at_boundaries: int = 0
    at_random: int = 0
    randoms: int = 0
    """Random instants that were wanted."""
    missed: int = 0
    """Kills that came when the run had ended."""
    failures: list[str] = field(default_factory=list)
    """Runs in which something did not hold, in words."""
    seconds: float = 0.0


class Round:
    """One run from one arrangement to the other, carried out by one process after another, all but the last killed."""

    def __init__(self, stage: Stage, figures: Figures) -> None:
        self.stage = stage
        self.figures = figures
        self._wanted = stage.directory / "wanted"
        self._met = stage.directory / "met"
        self._migrations = stage.migrations()
        self._kills: list[str] = []

    def die_around(self, boundaries: set[str]) -> bool:
        """Goes on until a boundary of the set is met, dies there and takes it out; False: the run has ended."""
        process = self._go_on(boundaries)
        process.wait(600)
        met = self._met.read_text().splitlines()
        if process.returncode != -signal.SIGKILL:
            ended = self.stage.finish(process)
            # A machine that is too busy lets its hosts answer too late: nothing was begun, and it is tried again.
            if ended.status == 1 and "did not answer" in ended.said:
                return True
            self._end(ended)
            return False
        boundaries.discard(met[-1])
        self.figures.at_boundaries += 1
        self._kills.append(met[-1])
        return True

    def die_after(self, seconds: float) -> bool:
        """Goes on for so long and dies then; False: the run had ended."""
        process = self._go_on()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        if process.wait(60) != -signal.SIGKILL:
            self.figures.missed += 1
            self._end(self.stage.finish(process))
            return False
        self.figures.at_random += 1
        self._kills.append(f"after {seconds:.1f} s")
        return True

    def go_on_to_the_end(self) -> set[str]:
        """Nobody kills it any more; every boundary that was met."""
        self._end(self.stage.finish(self._go_on()))
        return set(self._met.read_text().splitlines())

    def _end(self, ended: Command) -> None:
        """The run has ended by itself: all must be well."""
        history = f"killed {', '.join(self._kills) or 'never'}"
        assert ended.status == 0, f"{history}: {ended.said}"
        try:
            self.stage.check()
            began = self.stage.migrations() - self._migrations
            assert began == dict.fromkeys((guest.name for guest in self.stage.guests), 1), began
        except AssertionError as error:
            raise AssertionError(f"{history}: {error}\n{ended.said}") from error
        self.figures.rounds += 1
        self.figures.steps += len(self.stage.guests)

    def _go_on(self, boundaries: Collection[str] = ()) -> subprocess.Popen[str]:
        self._wanted.write_text("\n".join(sorted(boundaries)))
        self._met.write_text("")
        arguments = [self._wanted, self._met]
        if self.stage.has_open_run():
            return self.stage.start("resume", mortal=arguments)
        # Nothing recorded: killed before anything was begun, or when all was done and there is nothing to plan.
        return self.stage.apply(mortal=arguments)


@dataclass
class Campaign:
    """Every boundary, then `randoms` instants, `chain` of them a run."""

    seed: int
    randoms: int
    chain: int = 6
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        self.figures.randoms = self.randoms
        self._chance = random.Random(self.seed)
        self._left: set[str] | None = None
        """Boundaries to be died at; None: not known yet."""
        self._length = 0.0
        """Seconds that a run takes that nobody kills."""

    def rounds(self, stage: Stage) -> Iterator[None]:
        """Yields after each kill; goes on where it was, should a round have failed."""
        began = time.monotonic() - self.figures.seconds
        try:
            for _ in self._rounds(stage):
                self.figures.seconds = time.monotonic() - began
                yield
        finally:
            self.figures.seconds = time.monotonic() - began

    def _rounds(self, stage: Stage) -> Iterator[None]:
        figures = self.figures
        if self._left is None:
            began = time.monotonic()
            self._left = Round(stage, figures).go_on_to_the_end() | OF_RESUMING
            self._length = time.monotonic() - began
            figures.boundaries = len(self._left)
        while self._left:
            current, before = Round(stage, figures), len(self._left)
            while current.die_around(self._left):
                yield
            if len(self._left) == before:
                # Events that this run did not have: how links are shared depends on what runs at one time.
                figures.boundaries -= len(self._left)
                self._left.clear()
        while figures.at_random < self.randoms:
            current = Round(stage, figures)
            for _ in range(min(self.chain, self.randoms - figures.at_random)):
                if not current.die_after(self._chance.uniform(0.3, self._length)):
                    break
                yield
            else:
                current.go_on_to_the_end()
        yield
