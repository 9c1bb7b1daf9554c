"""How deep and how large a document that people write may be, and how a part of it is named. Pure."""

from typing import Final

MAX_DEPTH: Final = 64
MAX_NODES: Final = 100_000
"""Values of one document, those that aliases stand for counted each time (S-65)."""

DocumentPath = tuple[str | int, ...]
"""Where a part stands: keys and indices from the top."""
