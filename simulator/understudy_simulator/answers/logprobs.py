"""Log probabilities of an answer's tokens, made up from the tokens themselves (wire-http 4.9)."""

from typing import Any, Final
from zlib import crc32

from .tokens import BYTES_PER_TOKEN

_VOCABULARY: Final = 256_000
_MOST_TOP: Final = 20


def pieces_of(text: str) -> list[str]:
    """A text in tokens of at most four bytes, cut between characters."""
    pieces: list[str] = []
    piece = ""
    for char in text:
        if piece and len((piece + char).encode("utf-8", "replace")) > BYTES_PER_TOKEN:
            pieces.append(piece)
            piece = ""
        piece += char
    return [*pieces, piece] if piece else pieces


def token_id(token: bytes) -> int:
    """The number of a token in the made-up vocabulary."""
    return crc32(token) % _VOCABULARY


def logprobs_of(text: str, top: int) -> tuple[float, dict[str, Any]]:
    """The average log probability, and the `logprobsResult` with `top` alternatives for each token."""
    chosen = [_candidate(piece, 0) for piece in pieces_of(text)]
    result: dict[str, Any] = {"chosenCandidates": chosen}
    if top > 0:
        ranks = range(min(top, _MOST_TOP))
        result["topCandidates"] = [
            {"candidates": [_candidate(piece, rank) for rank in ranks]} for piece in pieces_of(text)
        ]
    average = sum(entry["logProbability"] for entry in chosen) / len(chosen) if chosen else 0.0
    return round(average, 8), result


def _candidate(piece: str, rank: int) -> dict[str, Any]:
    token = piece if rank == 0 else f"{piece[:2]}{rank}"
    number = token_id(token.encode("utf-8", "replace"))
    own = token_id(piece.encode("utf-8", "replace"))
    return {"token": token, "tokenId": number, "logProbability": -round((own % 1000) / 2000 + 2 * rank + 0.001, 6)}
