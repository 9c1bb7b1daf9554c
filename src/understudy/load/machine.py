"""What a process has used of the machine, and what the machine is. Other processes can be read on Linux only."""

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import __version__

_LIBRARIES: Final = ("aiohttp", "gevent", "httptools", "locust", "uvloop", "websockets")


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU seconds that a process has used, all its threads together, and its resident memory in bytes."""

    cpu_s: float
    memory_bytes: int


def sample(pid: int) -> Sample | None:
    """The same of a process; None if it is not there or this system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        # The clock of another process: clock_getcpuclockid(3).
        cpu_s = time.clock_gettime((~pid << 3) | 2)
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return Sample(cpu_s, pages * os.sysconf("SC_PAGE_SIZE"))


def machine() -> Mapping[str, str | int]:
    """What the figures belong to: system, processor, and the cores that this process may use."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
    }


def versions() -> Mapping[str, str]:
    """Versions of Python, of us and of the libraries that make the load, as far as they are installed."""
    found = {"python": platform.python_version(), "understudy": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
