"""One line on the terminal for each exchange; under load the first of each second, and how many more there were."""

import logging
from typing import Final

from understudy.messages import Exchange
from understudy.redaction import redacted_reason, redacted_target

from .clock import Clock
from .recorder import ExchangeEntry

LINES_A_SECOND: Final = 100
"""More than that nobody reads; the transcript has them all."""

_LONGEST: Final = 900


class ExchangeLog:
    """Writes the lines."""

    def __init__(self, clock: Clock, logger: logging.Logger) -> None:
        self._clock = clock
        self._logger = logger
        self._second = 0
        self._written = 0
        self._left_out = 0

    def add(self, entry: ExchangeEntry) -> None:
        """An exchange is over."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self.flush()
            self._second, self._written = second, 0
        if self._written >= LINES_A_SECOND:
            self._left_out += 1
            return
        if self._logger.isEnabledFor(logging.INFO):
            self._written += 1
            self._logger.info("%s", exchange_line(entry.written()))

    def flush(self) -> None:
        """Say how many lines were left out so far."""
        if self._left_out:
            what = "request" if self._left_out == 1 else "requests"
            self._logger.info("%d more %s, without a line each", self._left_out, what)
            self._left_out = 0


def exchange_line(exchange: Exchange) -> str:
    """The line on the terminal: method, redacted target, scenario or nearest miss, status or how it failed, time.

    Nothing in it can start a new line or steer a terminal (security-reliability S-67).
    """
    request, response, origin = exchange.request, exchange.response, exchange.origin
    if origin.scenario is not None:
        who = origin.scenario
    elif origin.misses:
        who = f"no scenario (nearest: {redacted_reason(origin.misses[0])})"
    else:
        who = "no scenario"
    scope = f"[{origin.scope}] " if origin.scope else ""
    status = "-" if response is None else str(response.status)
    faults = f" ({', '.join(origin.faults)})" if origin.faults else ""
    failure = f" {exchange.failure}" if exchange.failure else ""
    took = f"{(exchange.ended - exchange.started) * 1000:.0f} ms"
    line = f"{request.method} {redacted_target(request.target)} {scope}{who} {status}{faults}{failure} {took}"
    line = line[:_LONGEST]
    return line if line.isprintable() else "".join(char if char.isprintable() else "?" for char in line)
