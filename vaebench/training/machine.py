"""What else decides the last digits of trained weights: the machine, its threads and its arithmetic."""

from collections.abc import Mapping

import torch

Machine = Mapping[str, str]
"""What is remembered -> what it is."""


def machine_of(device: torch.device) -> dict[str, str]:
    """What decides how sums are rounded, in this process, on this device."""
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
    """``threads 2, then 1``: what is another; nothing where that is not known."""
    return "; ".join(
        f"{what} {before.get(what, 'unknown')}, then {now.get(what, 'unknown')}"
        for what in dict.fromkeys([*(before or ()), *now])
        if before is not None and before.get(what) != now.get(what)
    )
