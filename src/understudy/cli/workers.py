"""`understudy gateway --workers N`: several gateway processes on the same ports, kept alive and ended in order.

The ports are shared by SO_REUSEPORT: the kernel deals connections out. This process holds each port without listening,
so that a port picked by the kernel stays ours while workers come and go.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import ConfigError, TargetError
from ..processes import START_LIMIT_S, Ready
from .serving import say_ready, start_logging

_log = logging.getLogger(__name__)

METRICS_FOLDER: Final = "UNDERSTUDY_METRICS_FOLDER"
"""The variable that tells a worker where the workers leave their numbers for one another."""

_AGAIN_S: Final = 1.0
_END_S: Final = 60.0


def held_port(host: str, port: int) -> tuple[socket.socket, int]:
    """A socket that holds a port without listening, and the port's number. Raises OSError if it is taken."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigError("--workers: this system lets no two processes share a port")
    holder = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Somebody else's listener must be noticed: with SO_REUSEPORT alone one of the same user's would not be.
        holder.bind((host, port))
        number = holder.getsockname()[1]
        holder.close()
        holder = socket.socket(holder.family, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, number))
    except BaseException:
        holder.close()
        raise
    return holder, number


def serve_workers(
    count: int, options: Sequence[str], ports: Mapping[str, int], host: str, json_line: bool, *, json_logs: bool = False
) -> None:
    """Run `count` workers, `understudy gateway` with these options each, until told to end.

    `ports` maps each port's option to the wanted number, the admin port's too. A worker that ends by itself is started
    again; a SIGHUP goes to all. Raises ConfigError if a port is taken or a worker does not start.
    """
    if host.startswith("unix:"):
        raise ConfigError("--workers: a Unix socket has one process behind it")
    start_logging("gateway", json_logs=json_logs)
    holders: list[socket.socket] = []
    try:
        numbered: list[str] = []
        for option, port in ports.items():
            try:
                where = "127.0.0.1" if option == "--admin-port" else host
                holder, number = held_port(where, port)
            except OSError as error:
                raise ConfigError(f"port {port} of {host} cannot be used: choose another with {option}") from error
            holders.append(holder)
            numbered += [option, str(number)]
        with tempfile.TemporaryDirectory(prefix="understudy-metrics-") as folder:
            asyncio.run(_Workers(count, [*options, *numbered], folder).run(json_line))
    finally:
        for holder in holders:
            holder.close()


class _Workers:
    """The workers of one command."""

    def __init__(self, count: int, options: Sequence[str], folder: str) -> None:
        # -P: what lies in the user's folder must not stand in for a module of ours.
        words = ("gateway", "--json", "--shares-ports", "--until-stdin-ends")
        self._command = [sys.executable, "-P", "-m", "understudy", *words, *options]
        self._environ = {**os.environ, METRICS_FOLDER: folder}
        self._count = count
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._ready: set[int] = set()
        self._hangups = 0
        self._stopped = asyncio.Event()

    async def run(self, json_line: bool) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            first = await asyncio.gather(*(self._started(place) for place in range(self._count)))
            say_ready(Ready(first[0].http, first[0].https, first[0].admin, first[0].ca, os.getpid()), json_line)
            keepers = [asyncio.create_task(self._keep(place)) for place in range(self._count)]
            await self._stopped.wait()
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
        finally:
            await self._end()

    async def _started(self, place: int) -> Ready:
        """Start a worker; what it says once it is ready. Raises OSError, ConfigError or TargetError if it is not."""
        hangups = self._hangups
        self._ready.discard(place)
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            process_group=0,  # Ctrl-C is for this process, which ends them in order
        )
        self._running[place] = process
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_LIMIT_S):
                line = (await process.stdout.readline()).decode()
        except TimeoutError:
            process.kill()
            raise TargetError(f"a worker was not ready after {START_LIMIT_S:.0f} s") from None
        if not line:
            status = await process.wait()
            text = f"a worker did not start (exit status {status}); it says above why"
            raise ConfigError(text) if status == ConfigError.exit_status else TargetError(text)
        ready = Ready.of_line(line)
        self._ready.add(place)
        if self._hangups != hangups:  # it may have read the configuration before that was changed
            self._tell(process, signal.SIGHUP)
        return ready

    async def _keep(self, place: int) -> None:
        """Start the worker of a place again whenever it has ended by itself."""
        while True:
            status = await self._running[place].wait()
            _log.error("a worker ended with status %d and is started again", status)
            try:
                await self._started(place)
            except (OSError, ConfigError, TargetError) as error:  # no process to be had, or no memory: later, maybe
                _log.error("a worker could not be started: %s", error)
            await asyncio.sleep(_AGAIN_S)

    def _hung_up(self) -> None:
        """Pass a SIGHUP on to those that can take it: it would kill a worker that has not got so far."""
        self._hangups += 1
        for place in self._ready:
            self._tell(self._running[place], signal.SIGHUP)

    def _tell(self, process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it has just ended
                process.send_signal(number)

    async def _end(self) -> None:
        """End all, by force those that do not."""
        processes = list(self._running.values())
        for process in processes:
            self._tell(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_S):
                await asyncio.gather(*(process.wait() for process in processes))
        except TimeoutError:
            _log.error("workers that did not end in %.0f s are killed", _END_S)
            for process in processes:
                if process.returncode is None:
                    process.kill()
            await asyncio.gather(*(process.wait() for process in processes))


def metrics_folder() -> Path | None:
    """Where this worker leaves its numbers; None if it is the only one."""
    named = os.environ.get(METRICS_FOLDER)
    return Path(named) if named else None
