"""Benches whose children run in this process."""

import pytest

from tests.bench.tiny import InProcess
from vaebench.bench import work as work_room


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> type[InProcess]:
    monkeypatch.setattr(work_room, "Child", InProcess)
    InProcess.started = 0
    return InProcess
