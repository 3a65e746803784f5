"""A quiet, single-threaded, reproducible torch."""

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "vaebench-nvae",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("vaebench-nvae")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
