"""What every test shares: a quiet, single-threaded, reproducible torch, and where real data may be."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "vaebench",
    deadline=None,
    derandomize=True,
    max_examples=int(os.environ.get("VAEBENCH_EXAMPLES", "25")),  # CI's; more for a long look
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("vaebench")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def data_root() -> Path:
    """Real MNIST and Fashion-MNIST; a test that needs them skips where there are none."""
    root = Path(os.environ.get("VAEBENCH_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST under {root}: set VAEBENCH_DATA")
    return root
