"""A value that cannot be printed by accident (security-reliability S-8)."""

import hashlib
import hmac
from typing import NoReturn

STARS = "***"


class Secret:
    """Text that shows as stars in `str`, `repr`, `format` and logs, and refuses to be pickled.

    `reveal()` is the one way to the value, so that a search finds every use.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; only for the place that must put it on the wire."""
        return self._value

    def digest(self) -> bytes:
        """SHA-256 of the value: for looking a presented key up, never for logs (S-11, S-17)."""
        return key_digest(self._value.encode())

    def __str__(self) -> str:
        return STARS

    def __repr__(self) -> str:
        return STARS

    def __format__(self, format_spec: str) -> str:
        return STARS

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.digest(), other.digest())

    def __hash__(self) -> int:
        return hash(self.digest())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def key_digest(presented: bytes) -> bytes:
    """The form in which keys are compared: SHA-256 of the presented bytes."""
    return hashlib.sha256(presented).digest()
