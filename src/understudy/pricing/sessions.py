"""The cost of Live sessions: the sum of their turns, an estimate without usage, and the log line (pricing 8, 9)."""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from ..usage.live import Media, SessionReading, Turn
from ..usage.meters import Direction, Meter, Modality, Unit
from ..usage.tokens import Form
from .book import Entry, PriceBook
from .cost import ARITHMETIC, ZERO, Cost, Known, Line, Part, added, combined, dollars, estimated, line_of, unknown
from .exchanges import cost_of_tokens, no_price, what_of
from .rates import Rates, Terms, Tier

AUDIO_TOKENS_PER_SECOND: Final = Decimal(25)
PICTURE_TOKENS: Final = Decimal(258)
"""One camera frame stands for one second of video."""

_BYTES_PER_SAMPLE: Final = Decimal(2)


def cost_of_turn(
    book: PriceBook,
    provider: str,
    model: str | None,
    turn: Turn,
    *,
    date: date,
    location: str | None = None,
    prepaid_is_free: bool = True,
) -> Cost:
    """What one usage frame bills. `model` is the one of the session's setup, None if there was none."""
    if turn.problem is not None:
        return unknown(turn.problem)
    entry = book.entry(provider, model) if model else None
    if model is None or entry is None:
        return unknown(no_price(provider, model or ""))
    form = Form.GEMINI_LIVE if provider == "gemini" else Form.VERTEX_LIVE
    terms = Terms(date, location, None, prepaid_is_free)
    return cost_of_tokens(entry.on(date), turn.usage, turn.grounding, form, terms)


def cost_of_session(
    book: PriceBook,
    provider: str,
    session: SessionReading,
    *,
    date: date,
    location: str | None = None,
    prepaid_is_free: bool = True,
) -> Cost:
    """What a session cost: every usage frame is one turn's bill, and they add up.

    Without any usage frame: an estimate by the media that passed; 0 if nothing passed but a setup; else unknown.
    """
    if session.turns:
        turns = [
            cost_of_turn(
                book, provider, session.model, turn, date=date, location=location, prepaid_is_free=prepaid_is_free
            )
            for turn in session.turns
        ]
        cost = combined(turns)
        return cost if session.problem is None else estimated(cost, session.problem)
    if session.media.is_empty:
        return unknown("the session carried no usage") if session.was_used else Cost()
    entry = book.entry(provider, session.model) if session.model else None
    if entry is None:
        return unknown(no_price(provider, session.model or ""))
    return _by_media(entry.on(date), session.media, location)


def _by_media(entry: Entry, media: Media, location: str | None) -> Cost:
    """Seconds x 25 (audio) or pictures x 258 (video) x the token rate, tokens not rounded; else per-second prices."""
    rates = Rates(entry, Tier.STANDARD, 0, location)
    lines: list[Line] = []
    for direction, seconds in (
        (Direction.INPUT, _seconds(media.audio_in)),
        (Direction.OUTPUT, _seconds(media.audio_out)),
    ):
        if seconds:
            line = _media_line(entry, rates, Meter(direction, Modality.AUDIO), seconds, AUDIO_TOKENS_PER_SECOND)
            if line is None:
                return unknown(f"'{entry.name}' has no price for {direction} audio")
            lines.append(line)
    if media.pictures_in:
        pictures = Decimal(media.pictures_in)
        line = _media_line(entry, rates, Meter(Direction.INPUT, Modality.VIDEO), pictures, PICTURE_TOKENS)
        if line is None:
            return unknown(f"'{entry.name}' has no price for input video")
        lines.append(line)
    return Cost(tuple(lines), Known.ESTIMATED, "no usage came; estimated by the media that passed")


def _media_line(entry: Entry, rates: Rates, meter: Meter, seconds: Decimal, tokens_per_second: Decimal) -> Line | None:
    part = Part.INPUT if meter.direction is Direction.INPUT else Part.OUTPUT
    rate = rates.rate(meter)
    if rate is not None:
        tokens = ARITHMETIC.multiply(seconds, tokens_per_second)
        return line_of(part, what_of(meter), tokens, Unit.TOKEN, rate)
    price = entry.price(f"{meter.direction}_cost_per_{meter.modality}_per_second")
    price = entry.price(f"{meter.direction}_cost_per_second") if price is None else price
    return None if price is None else line_of(part, what_of(meter), seconds, Unit.SECOND, price)


def _seconds(bytes_by_rate: Mapping[int, int]) -> Decimal:
    """Seconds of PCM16 mono: bytes / 2 / samples per second."""
    return added(
        ARITHMETIC.divide(Decimal(count), ARITHMETIC.multiply(_BYTES_PER_SAMPLE, Decimal(rate)))
        for rate, count in bytes_by_rate.items()
    )


def session_log_line(provider: str, cost: Cost, *, tokens: int, characters: int, duration_s: float) -> str:
    """The line at the end of every Live session, exactly as pricing 9 words it.

    Dollars have six decimals, half up, each from its exact value. An unknown cost has its reason instead of numbers.
    """
    name = "Gemini Live" if provider == "gemini" else "Vertex AI Live"
    duration = Decimal(str(duration_s)).quantize(Decimal("0.1"), ROUND_HALF_UP)
    seen = f"tokens: {tokens}, characters: {characters}, duration: {duration}s"
    if cost.total is None:
        return f"{name} WebSocket session cost: unknown ({cost.reason}) {seen}"
    parts = [f"{part}: ${dollars(cost.part(part))}" for part in (Part.INPUT, Part.OUTPUT)]
    grounding = cost.part(Part.GROUNDING)
    if grounding != ZERO:
        parts.append(f"grounding: ${dollars(grounding)}")
    return f"{name} WebSocket session cost: ${dollars(cost.total)} ({', '.join(parts)}) {seen}"
