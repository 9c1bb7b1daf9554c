"""Log lines for people: `12:34:56 gateway what was said`."""

import logging
import time
from typing import Final

_TIME: Final = "%H:%M:%S"


class PlainLines(logging.Formatter):
    """The time of day, the server's name and the text: several servers may share a terminal."""

    def __init__(self, server: str) -> None:
        super().__init__(f"%(asctime)s {server} %(message)s", _TIME)
        self._server = server
        self._second: int | None = None
        self._beginning = ""

    def line(self, created: float, said: str) -> str:
        """The same without a record; what all lines of a second have in common is made once."""
        second = int(created)
        if second != self._second:
            self._beginning = f"{time.strftime(_TIME, time.localtime(second))} {self._server} "
            self._second = second
        return self._beginning + said
