"""Hypothesis profiles, and the hook that runs a plain `async def` test on a fresh event loop."""

import asyncio
import gc
import inspect
import os

import pytest
import uvloop
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, print_blob=True, derandomize=True)
settings.register_profile("nightly", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_finish() -> None:
    """All those tests stay: the garbage collector need not look through them again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means: three workers for two cores, since tests that talk over sockets also wait."""
    del config
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or (cores * 3 + 1) // 2)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end; a task that it leaves running fails it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    factory = uvloop.new_event_loop if pyfuncitem.funcargs.get("each_loop") == "uvloop" else None
    with asyncio.Runner(debug=False, loop_factory=factory) as runner:
        limit_s = 1800 if pyfuncitem.get_closest_marker("reliability") else 60
        runner.run(_run(pyfuncitem.obj(**arguments), limit_s))
    return True


@pytest.fixture(params=["asyncio", "uvloop"])
def each_loop(request: pytest.FixtureRequest) -> str:
    """A test that uses this runs on asyncio's own event loop and on uvloop, whose transports differ."""
    return request.param


async def _run(test, limit_s: float) -> None:
    async with asyncio.timeout(limit_s * float(os.environ.get("UNDERSTUDY_TEST_UNIT", "1"))):
        await test
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left running: {left}"
