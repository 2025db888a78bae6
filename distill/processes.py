"""Which of several processes is this one? torchrun's numbers, a device and threads for each."""

import os
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Process:
    """This process among ``count`` that share a command; alone it is number 0 of 1."""

    number: int
    count: int
    device: torch.device

    @classmethod
    def current(cls, threads: int = 0) -> "Process":
        """Read torchrun's variables, and set torch's threads and GPU.

        Without ``threads``, processes on a CPU share its cores: an LSTM of ours gains more from a
        second process than from a second thread.
        """
        number = int(os.environ.get("RANK", 0))
        count = int(os.environ.get("WORLD_SIZE", 1))
        if torch.cuda.is_available():
            device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
            torch.cuda.set_device(device)
        else:
            device = torch.device("cpu")
            if count > 1 and not threads:
                threads = max(1, (os.cpu_count() or 1) // count)
        if threads:
            torch.set_num_threads(threads)
        return cls(number, count, device)
