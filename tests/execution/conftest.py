from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.execution import worlds


@pytest.fixture(autouse=True)
def _close_journals() -> Iterator[None]:
    yield
    while worlds.OPEN:
        worlds.OPEN.pop().close()
