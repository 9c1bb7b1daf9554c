"""Spend records as a file of JSON lines, for other programs to read as it grows."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from understudy.errors import ConfigError

from .record import SpendRecord
from .writing import WriteFailed


class LineFile:
    """The file. Opening it (0600, appended to) raises ConfigError if that is not possible."""

    def __init__(self, path: Path) -> None:
        self._is_torn = False
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"--spend {path}: cannot be written: {error.strerror}") from error

    def write(self, records: Sequence[SpendRecord]) -> None:
        """Append a line for each record. Raises WriteFailed if they could not be written whole."""
        lines = b"".join(json.dumps(record.as_json()).encode("ascii") + b"\n" for record in records)
        data = memoryview(b"\n" + lines if self._is_torn else lines)
        try:
            while data:
                data = data[os.write(self._handle, data) :]
        except OSError as error:
            self._is_torn = True  # the next line must not continue a torn one
            raise WriteFailed(error.strerror or "an error") from error
        self._is_torn = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
