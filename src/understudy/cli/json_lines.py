"""Log lines that are JSON from end to end (`json_logs`), for what collects them."""

import json
import logging
from datetime import UTC, datetime
from typing import Final

_LONGEST: Final = 8192
"""Characters of one line's text: whoever makes it longer loses the end of it (S-67)."""


class JsonLines(logging.Formatter):
    """One object a line: `time` (UTC), `server`, `level`, and what the line says.

    An exchange's line is such an object already, and its members follow; any other text becomes `message`.
    """

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server
        self._latest: tuple[float, str] = 0.0, ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, in ASCII."""
        head = self._head(record.created, record.levelname)
        said = record.getMessage()
        if _is_object(said):
            return json.dumps(head)[:-1] + ", " + said[1:]
        if record.exc_info:
            said += "\n" + self.formatException(record.exc_info)
        return json.dumps({**head, "message": said[:_LONGEST]})

    def line(self, created: float, said: str) -> str:
        """The same of a line of level INFO that is known to be a JSON object in ASCII (see LogWriter.take_lines)."""
        moment, beginning = self._latest
        if moment != created or not beginning:  # lines that were said together begin alike
            beginning = json.dumps(self._head(created, "INFO"))[:-1] + ", "
            self._latest = created, beginning
        return beginning + said[1:]

    def _head(self, created: float, level: str) -> dict[str, str]:
        moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
        return {"time": moment.replace("+00:00", "Z"), "server": self._server, "level": level}


def _is_object(said: str) -> bool:
    """Whether a text is one JSON object with members: ours are, and what only looks like one is told as text."""
    if not said.startswith('{"') or not said.isascii() or "\n" in said:
        return False
    try:
        json.loads(said)
    except ValueError:
        return False
    return True
