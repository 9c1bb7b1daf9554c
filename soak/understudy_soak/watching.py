"""Looks at the gateway's process from outside: descriptors, threads, memory, and what its metrics page says (Linux)."""

import os
import re
import time
import urllib.request
from pathlib import Path
from typing import Final

from .slopes import Sample

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_NAMES: Final = "tasks|in_flight|live_sessions|spend_lost_total"
_GAUGE: Final = re.compile(rf"^understudy_gateway_({_NAMES}) ([0-9.e+]+)$", re.MULTILINE)
_ASK_S: Final = 10.0


class Watch:
    """Samples of one life of the gateway. `page` is the last metrics page; None before the first."""

    def __init__(self, pid: int, admin: str, master: str) -> None:
        self.samples: list[Sample] = []
        self.page = b""
        self.gauges: dict[str, float] = {}
        self._folder = Path(f"/proc/{pid}")
        self._request = urllib.request.Request(f"{admin}/metrics", headers={"x-litellm-api-key": master})  # noqa: S310
        # No proxy stands between a machine and itself.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def look(self) -> None:
        """Take a sample; blocks. Raises OSError if the process, or its admin port, is gone."""
        with self._opener.open(self._request, timeout=_ASK_S) as answer:
            self.page = bytes(answer.read())
        self.gauges = {name: float(value) for name, value in _GAUGE.findall(self.page.decode())}
        resident = int((self._folder / "statm").read_text("ascii").split()[1]) * _PAGE
        files, threads = (sum(1 for _ in (self._folder / name).iterdir()) for name in ("fd", "task"))
        tasks = int(self.gauges.get("tasks", 0))
        self.samples.append(Sample(time.monotonic(), files, threads, tasks, resident))
