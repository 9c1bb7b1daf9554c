"""Turns by which clients only ask for an answer to what was said before (wire-live 3.6). Pure."""

from ...answers.reading import Members, members_in, text_in


def without_nudges(turns: list[Members]) -> list[Members]:
    """The turns without those at the end by which clients ask for an answer to what was said before.

    ADK and livekit say a full stop, pipecat a blank. Where nothing was said before, they are all there is to answer.
    """
    end = len(turns)
    while end and _is_nudge(turns[end - 1]):
        end -= 1
    return turns[:end] if any(text_in(turn, "role") != "model" for turn in turns[:end]) else turns


def _is_nudge(turn: Members) -> bool:
    parts = members_in(turn, "parts")
    words = "".join(text_in(part, "text") or "" for part in parts)
    return all(list(part) == ["text"] for part in parts) and is_nudging(words)


def is_nudging(words: str) -> bool:
    """Whether these words are such a nudge, or none."""
    return words.strip() in ("", ".")
