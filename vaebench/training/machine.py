"""What determines the last digits of trained weights besides the run: machine, threads, arithmetic."""

from collections.abc import Mapping

import torch

Machine = Mapping[str, str]
"""Name of a property -> its value."""


def machine_of(device: torch.device) -> dict[str, str]:
    """The properties of this process and device that determine how sums are rounded."""
    on_gpu = device.type == "cuda"
    threads = {} if on_gpu else {"threads": str(torch.get_num_threads())}
    name = torch.cuda.get_device_name(device) if on_gpu else torch.backends.cpu.get_cpu_capability()
    return {
        "device": f"{device.type} ({name})",
        **threads,
        "torch": torch.__version__,
        "matrix products": torch.get_float32_matmul_precision(),
    }


def changes(before: Machine | None, now: Machine) -> str:
    """Describe differences, as in ``threads 2, then 1``; empty if there are none or ``before`` is unknown."""
    return "; ".join(
        f"{what} {before.get(what, 'unknown')}, then {now.get(what, 'unknown')}"
        for what in dict.fromkeys([*(before or ()), *now])
        if before is not None and before.get(what) != now.get(what)
    )
