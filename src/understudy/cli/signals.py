"""The signals that ask a command to end, and what is done when they come."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


def ending_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM and SIGHUP, as far as there are such; a SIGHUP that nohup has switched off stays so."""
    known = {one.name: one for one in signal.Signals}
    wanted = [known[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in known]
    return [one for one in wanted if one.name != "SIGHUP" or signal.getsignal(one) is not signal.SIG_IGN]


@contextmanager
def handled(act: Callable[[int], None]) -> Generator[None, None, None]:
    """While the block runs, `act` is called with the number of each such signal; afterwards all is as before."""

    def handle(number: int, frame: FrameType | None) -> None:
        act(number)

    before = {number: signal.signal(number, handle) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
