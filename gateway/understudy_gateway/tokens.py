"""A Google access token as a value, and what gets one."""

from collections.abc import Callable
from dataclasses import dataclass

from understudy.secret import Secret


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and how many seconds it had left when it was got."""

    value: Secret
    life_s: float


class FetchFailed(Exception):
    """No token could be got; the text is the kind of error, which holds no secret."""


Fetch = Callable[[], Token]
"""Gets a new token; blocks, so it is called in a thread. Raises FetchFailed."""
