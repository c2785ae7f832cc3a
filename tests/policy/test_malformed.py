"""Malformed policies as files. The first lines of each say what must be found: ``# error: LINE:COLUMN: message``.

An error in another file starts with that file's name.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rebalancer.errors import InvalidInput, RebalancerError
from rebalancer.policy import load_policies

FOLDER = Path(__file__).parent / "malformed"
CASES = sorted(path.name for path in FOLDER.glob("*.yaml"))
MARK = "# error: "


def read(path: str) -> str:
    try:
        return (FOLDER / path).read_text("utf-8")
    except OSError as error:
        raise RebalancerError(f"{path}: cannot be read") from error


@pytest.mark.parametrize("name", CASES)
def test_every_error_is_found_where_it_is(name: str) -> None:
    expected = [line.removeprefix(MARK) for line in read(name).splitlines() if line.startswith(MARK)]
    assert expected
    with pytest.raises(InvalidInput) as raised:
        load_policies([f"./{name}"], read)
    assert [str(problem).removeprefix(f"{name}:") for problem in raised.value.problems] == expected


def test_there_are_many() -> None:
    assert len(CASES) >= 100
