"""The machine: its cores, what a process used of them, what it holds in memory, and what is installed (Linux only)."""

import importlib.metadata
import os
import platform
import resource
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from understudy import __version__
from understudy.errors import ConfigError

_CPU_INFO: Final = Path("/proc/cpuinfo")
_FILES: Final = 8192
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cores:
    """Where load and upstream run, and where the measured program; the same one if the machine has no other.

    `available` are all that this process may use.
    """

    load: int
    program: int
    available: tuple[int, ...] = ()


def require_linux() -> None:
    """Raise ConfigError where another process's CPU clock cannot be read or a process cannot be pinned."""
    if sys.platform != "linux":
        raise ConfigError(
            f"the bench needs Linux: it pins processes and reads their CPU clocks; this is {sys.platform}"
        )


def choose_cores(available: Iterable[int], siblings: Mapping[int, frozenset[int]]) -> Cores:
    """The first core for the load and the last other one, of another physical core if there is one."""
    cores = sorted(available)
    first = cores[0]
    apart = [core for core in cores if core not in siblings.get(first, frozenset())]
    return Cores(first, (apart or cores)[-1], tuple(cores))


def cores_here() -> Cores:
    """The same for this machine and what this process may use of it."""
    available = os.sched_getaffinity(0)
    return choose_cores(available, {core: _siblings(core) for core in available})


def _siblings(core: int) -> frozenset[int]:
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text("ascii")
    except OSError:
        return frozenset({core})
    return core_list(text)


def core_list(text: str) -> frozenset[int]:
    """The cores that the kernel means by a text like `0-2,8`."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


@contextmanager
def pinned(*cores: int) -> Generator[None, None, None]:
    """This thread runs on these cores only, and so does every process that is started meanwhile, for all its life."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def many_files() -> Generator[None, None, None]:
    """Room for the sockets of some thousand sessions, here and in what is started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, all its threads together (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def free_files() -> int:
    """How many files this process, and each that it starts, may have open at a time."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def waited_s(pid: int) -> float:
    """Seconds that a process was ready to run and somebody else had its core (sched-stats, /proc/PID/schedstat).

    0 on a kernel that does not tell.
    """
    fields = " ".join(_lines(Path(f"/proc/{pid}/schedstat"))).split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0


def rss_bytes(pid: int) -> int:
    """Memory of a process that is resident (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE


def forget_peak(pid: int) -> None:
    """Let `peak_bytes` begin anew (proc(5), clear_refs). Raises OSError where the kernel cannot."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def peak_bytes(pid: int) -> int:
    """The most memory of a process that was resident since `forget_peak` (proc(5), status)."""
    found = (line.split() for line in _lines(Path(f"/proc/{pid}/status")))
    return next(int(words[1]) * 1024 for words in found if words[:1] == ["VmHWM:"])


def machine() -> dict[str, str]:
    """What the figures belong to, in words."""
    models = (line.partition(":")[2].strip() for line in _lines(_CPU_INFO) if line.startswith("model name"))
    return {
        "cpu": next(models, platform.machine()),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
    }


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def versions() -> dict[str, str]:
    """Versions of Python, of us, and of the libraries that the measured programs stand on."""
    return {
        "python": platform.python_version(),
        "understudy": __version__,
        **{name: _version(name) for name in ("aiohttp", "uvloop", "httptools", "msgspec")},
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"
