"""What is read from the machine: cores, CPU clocks, memory."""

import os
import resource
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ConfigError
from understudy_bench.machine import (
    choose_cores,
    core_list,
    cpu_s,
    free_files,
    machine,
    pinned,
    require_linux,
    rss_bytes,
    versions,
    waited_s,
)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")


@pytest.mark.parametrize(("text", "cores"), [("0\n", {0}), ("0-2,8\n", {0, 1, 2, 8}), ("3,7", {3, 7}), ("0-1", {0, 1})])
def test_a_core_list_of_the_kernel_is_read(text, cores):
    assert core_list(text) == cores


def test_program_and_load_do_not_share_a_physical_core_if_there_is_another():
    pairs = {0: frozenset({0, 3}), 1: frozenset({1, 2}), 2: frozenset({1, 2}), 3: frozenset({0, 3})}
    chosen = choose_cores({0, 1, 2, 3}, pairs)
    assert (chosen.load, chosen.program) == (0, 2)


def test_two_threads_of_one_core_are_better_than_one():
    chosen = choose_cores({0, 1}, {0: frozenset({0, 1}), 1: frozenset({0, 1})})
    assert (chosen.load, chosen.program) == (0, 1)


@given(st.sets(st.integers(0, 63), min_size=1))
def test_only_cores_that_are_available_are_chosen_and_two_if_there_are_two(available):
    chosen = choose_cores(available, {core: frozenset({core}) for core in available})
    assert {chosen.load, chosen.program} <= available
    assert (chosen.load != chosen.program) == (len(available) > 1)


@linux_only
def test_the_cpu_clock_of_another_process_counts_what_it_uses():
    code = "import sys\nsys.stdin.readline()\nsum(range(3_000_000))\nprint(flush=True)\nsys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        before = cpu_s(child.pid)
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()
        assert cpu_s(child.pid) > before
        assert rss_bytes(child.pid) > 2**20
        child.stdin.write(b"\n")
        child.stdin.close()


@linux_only
def test_our_own_cpu_clock_is_the_one_python_shows():
    first = time.process_time()
    seen = cpu_s(os.getpid())
    assert first <= seen <= time.process_time()


@linux_only
def test_a_child_started_while_pinned_stays_pinned_and_we_do_not():
    before = os.sched_getaffinity(0)
    core = max(before)
    code = "import os; print(sorted(os.sched_getaffinity(0)))"
    with pinned(core):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == f"[{core}]"
    assert os.sched_getaffinity(0) == before


@linux_only
def test_pinning_is_undone_after_an_error():
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyError), pinned(min(before)):
        raise KeyError
    assert os.sched_getaffinity(0) == before
    assert threading.active_count() >= 1


def test_another_system_is_told_why(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match="needs Linux"):
        require_linux()


def test_versions_and_machine_are_words():
    assert {"python", "understudy", "aiohttp", "uvloop"} <= versions().keys()
    assert {"cpu", "cores", "system"} == machine().keys()
    assert all(versions().values()) and all(machine().values())


@linux_only
def test_who_shares_a_core_waits_for_it():
    core = min(os.sched_getaffinity(0))
    code = "while True: pass"
    with pinned(core):
        rivals = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    try:
        deadline = time.monotonic() + 30
        while not all(waited_s(rival.pid) > 0.01 for rival in rivals) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert all(waited_s(rival.pid) > 0.01 for rival in rivals)
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()


@linux_only
def test_the_files_that_may_be_open_are_those_of_the_kernel():
    assert free_files() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
