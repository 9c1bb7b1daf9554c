"""What is counted where it happens, deep below: connections to providers, and renewals of tokens. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Plain numbers since the start of the process, written on the event loop alone.

    Connections: `opened`, `reused` for a further exchange, `refused` (none came to be). Tokens: `renewed` or
    `not_renewed`.
    """

    opened: int = 0
    reused: int = 0
    refused: int = 0
    renewed: int = 0
    not_renewed: int = 0
