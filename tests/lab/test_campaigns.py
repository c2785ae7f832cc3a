"""A seeded slice of the campaigns; `make soak` runs them whole."""

from __future__ import annotations

import random
from pathlib import Path

from .campaigns import faults, kills
from .campaigns.stage import Stage
from .cluster import Lab


def test_a_controller_that_is_killed_loses_nothing(clean_lab: Lab, tmp_path: Path) -> None:
    """Twelve steps; killed before one intent, after another, around an outcome, and at one instant."""
    stage = Stage(clean_lab, tmp_path).set_up()
    figures = kills.Figures()
    current = kills.Round(stage, figures)
    around = {"after intent s1", "before outcome s2"}
    while around and current.die_around(around):
        pass
    if current.die_after(random.Random(1).uniform(3.0, 8.0)):
        current.go_on_to_the_end()
    assert (figures.rounds, figures.steps) == (1, 12)
    assert figures.at_boundaries == 2


def test_what_breaks_on_the_way_loses_nothing(clean_lab: Lab, tmp_path: Path) -> None:
    stage = Stage(clean_lab, tmp_path, count=4).set_up()
    chosen = {fault.name: fault for fault in faults.FAULTS}
    figures = faults.Figures()
    with faults.small_disk(stage):
        together = [chosen["libvirtd killed during the copy"], chosen["ssh connections dropped"]]
        faults.one_round(stage, together, random.Random(1), figures)
    assert figures.rounds == 1
    assert figures.total + figures.missed == 2
