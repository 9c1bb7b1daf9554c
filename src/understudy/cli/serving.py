"""The life of a server in this process: it listens, says where, and ends gracefully when it is told to."""

import asyncio
import errno
import gc
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Final, Protocol

from ..errors import ConfigError
from ..processes import Ready
from .json_lines import JsonLines
from .log_writer import LogWriter, target_of
from .plain_lines import PlainLines
from .signals import ending_signals

_ADDRESS: Final = re.compile(r"\('(?P<host>[^']*)', (?P<port>\d+)")
_MOST_FILES: Final = 100_000
_WORDS: Final = {
    errno.EADDRINUSE: "is in use already",
    errno.EACCES: "may not be used by you",
    errno.EADDRNOTAVAIL: "is not an address of this machine",
}


class Running(Protocol):
    """What simulator and gateway have in common once they listen."""

    @property
    def http_url(self) -> str:
        """The origin for HTTP and ws://."""
        ...

    @property
    def https_url(self) -> str | None:
        """The origin for HTTPS and wss://."""
        ...

    @property
    def admin_url(self) -> str | None:
        """The origin of the admin port."""
        ...


def serve(
    name: str,
    server: AbstractAsyncContextManager[Running],
    ca: Path | None,
    ports: Mapping[str, int],
    json_line: bool,
    until_stdin_ends: bool,
    when_ready: Callable[[Running], None] = lambda listening: None,
    when_hung_up: Callable[[], Awaitable[None]] | None = None,
    *,
    json_logs: bool = False,
) -> None:
    """Run `server` until it is told to end.

    `name` stands in each line on the terminal. `ca` is what clients need to trust it (None: nothing of ours). `ports`
    maps each port's option to its number, for the error text. `when_ready` is called before the first line is printed,
    `when_hung_up` at each SIGHUP; without it a SIGHUP ends the server. A second signal to end cuts short what the first
    lets come to its end (R-24). Raises ConfigError if it cannot listen.
    """
    start_logging(name, json_logs=json_logs)
    allow_many_files()

    async def run() -> None:
        stopped = asyncio.Event()
        _stop_on_signals(_Stopping(stopped).signalled)
        hung_up = None if when_hung_up is None else _noted_hangups(stopped)
        async with server as listening, asyncio.TaskGroup() as tasks:
            reloading = None
            if hung_up is not None and when_hung_up is not None:
                reloading = tasks.create_task(_follow_hangups(hung_up, when_hung_up))
            when_ready(listening)
            where = (listening.http_url, listening.https_url, listening.admin_url)
            say_ready(Ready(*where, str(ca) if ca else None, os.getpid()), json_line)
            if until_stdin_ends:
                _follow_stdin(stopped)
            _calm_the_collector()
            await stopped.wait()
            if reloading is not None:
                reloading.cancel()

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run())
    except asyncio.CancelledError:  # a second signal: the server has closed all the same
        return
    except (OSError, OverflowError) as error:
        raise _cannot_listen(error, ports) from error


def allow_many_files() -> None:
    """Open as many descriptors as the system lets this process: connections are what servers are for (R-33)."""
    try:
        import resource
    except ImportError:  # Windows, where descriptors are not counted so
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows fewer than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _calm_the_collector() -> None:
    """What is there at the start stays: the collector need not walk it again and again, nor run so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def start_logging(name: str, *, json_logs: bool = False) -> None:
    """One line per exchange, on standard error; several servers may share a terminal, so each line says whose it is."""
    # What no line shows need not be found out for each (logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    writer = LogWriter(target_of(sys.stderr))
    writer.setFormatter(JsonLines(name) if json_logs else PlainLines(name))
    logging.basicConfig(level=logging.INFO, handlers=[writer])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # there is none for this platform
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class _Stopping:
    """What signals to end do: the first ends the server in order, the second cuts that short, others are too many."""

    def __init__(self, stopped: asyncio.Event) -> None:
        self._stopped = stopped
        self._task = asyncio.current_task()
        self._is_cut = False

    def signalled(self) -> None:
        """A signal came."""
        if not self._stopped.is_set():
            self._stopped.set()
        elif not self._is_cut and self._task is not None:
            self._is_cut = True
            self._task.cancel()


def _stop_on_signals(signalled: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in ending_signals():
        try:
            loop.add_signal_handler(number, signalled)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt
            return


def _noted_hangups(stopped: asyncio.Event) -> asyncio.Event:
    """Set at each SIGHUP from now on; one that came because the terminal was closed ends the server all the same."""
    hung_up = asyncio.Event()
    has_terminal = os.isatty(0)

    def note() -> None:
        (stopped if has_terminal and not os.isatty(0) else hung_up).set()

    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, note)
    return hung_up


async def _follow_hangups(hung_up: asyncio.Event, act: Callable[[], Awaitable[None]]) -> None:
    """Call `act` at each SIGHUP, one after the other; those that come while it runs are one more."""
    while True:
        await hung_up.wait()
        hung_up.clear()
        await act()


def say_ready(ready: Ready, json_line: bool) -> None:
    """The first line on standard output, and the other addresses on standard error."""
    if json_line:
        print(ready.line(), flush=True)
        return
    print(f"listening {ready.http}", flush=True)
    talk = {"https": ready.https, "admin": ready.admin, "trust": ready.ca}
    for name, value in talk.items():
        if value:
            print(f"{name:>9} {value}", file=sys.stderr, flush=True)


def _follow_stdin(stopped: asyncio.Event) -> None:
    """End when standard input ends. A thread of its own waits for that: it may be a pipe, a file or a terminal."""
    loop = asyncio.get_running_loop()

    def wait_for_the_end() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(stopped.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()


def _cannot_listen(error: Exception, ports: Mapping[str, int]) -> Exception:
    """The ConfigError that says which address is taken and which option chooses another; other errors as they are."""
    if isinstance(error, socket.gaierror):
        return ConfigError(f"--host: {error.strerror}")
    number = getattr(error, "errno", None)
    if number not in _WORDS:
        return error
    address = _ADDRESS.search(str(error))
    port = int(address["port"]) if address else None
    options = [option for option, value in ports.items() if value == port] or list(ports)
    where = f"port {port} of {address['host']}" if address else "an address"
    return ConfigError(f"{where} {_WORDS[number]}: choose another with {' or '.join(options)}")
