"""The cost of Live sessions: the sum of their turns, an estimate without usage, and the log line (pricing 8, 9)."""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from ..usage.live import Media, SessionReading, Turn
from ..usage.meters import Direction, Meter, Modality, Unit
from ..usage.policies import DOCUMENTED, Policies
from ..usage.tokens import Form, tokens_of
from .bills import cost_of_tokens, no_price, what_of
from .book import Entry, PriceBook
from .cost import ARITHMETIC, ZERO, Cost, Known, Line, Part, added, combined, dollars, estimated, line_of, unknown
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
    policies: Policies = DOCUMENTED,
) -> Cost:
    """What one usage frame bills. `model` is the one of the session's setup, None if there was none."""
    if turn.problem is not None:
        return unknown(turn.problem)
    entry = book.entry(provider, model) if model else None
    if model is None or entry is None:
        return unknown(no_price(provider, model or ""))
    terms = Terms(date, location, None, policies)
    return cost_of_tokens(entry.on(date), turn.usage, turn.grounding, _form(provider), terms)


def cost_of_session(
    book: PriceBook,
    provider: str,
    session: SessionReading,
    *,
    date: date,
    location: str | None = None,
    policies: Policies = DOCUMENTED,
) -> Cost:
    """What a session cost: every usage frame is one turn's bill, and they add up.

    What has no token price is measured over the whole session instead, once. Without any usage frame: an estimate by
    the media that passed; 0 if nothing passed but a setup; else unknown.
    """
    if session.turns:
        turns = [
            cost_of_turn(book, provider, session.model, turn, date=date, location=location, policies=policies)
            for turn in session.turns
        ]
        cost = combined(turns)
        if cost.known is Known.UNKNOWN:
            cost = _measured(book, provider, session, cost, date)
        return cost if session.problem is None else estimated(cost, session.problem)
    if session.media.is_empty:
        return unknown("the session carried no usage") if session.was_used else Cost()
    entry = book.entry(provider, session.model) if session.model else None
    if entry is None:
        return unknown(no_price(provider, session.model or ""))
    if not policies.estimates_live_media:
        return unknown("the session carried no usage")
    return _by_media(entry.on(date), session.media, location)


def _form(provider: str) -> Form:
    return Form.GEMINI_LIVE if provider == "gemini" else Form.VERTEX_LIVE


def _measured(book: PriceBook, provider: str, session: SessionReading, cost: Cost, day: date) -> Cost:
    """Pricing 8: where the entry has no token price for a modality that was used, its seconds, pictures or characters.

    `cost` has the lines of all that has a token price. Stays as it is if anything else made it unknown, or if a
    modality has no price of any kind.
    """
    entry = book.entry(provider, session.model) if session.model else None
    if entry is None or any(turn.problem for turn in session.turns):
        return cost
    entry = entry.on(day)
    rates = Rates(entry, Tier.STANDARD, 0, None)
    meters = {meter for turn in session.turns for meter in tokens_of(turn.usage, _form(provider)).usage}
    # Text, thoughts and results of tools are one text on the wire, and sides of a modality are measured once.
    unpriced = {(_is_answer(meter), meter.modality) for meter in meters if rates.rate(meter) is None}
    lines: list[Line] = []
    for is_answer, modality in sorted(unpriced):
        line = _unit_line(entry, is_answer, modality, session.media)
        if line is None:
            return cost
        lines.append(line)
    return Cost((*cost.lines, *lines), remarks=cost.remarks) if lines else cost


def _is_answer(meter: Meter) -> bool:
    return meter.direction in (Direction.OUTPUT, Direction.THOUGHTS)


def _unit_line(entry: Entry, is_answer: bool, modality: Modality, media: Media) -> Line | None:
    """What passed of a modality on one side, by its price per second, picture or character; None without a price."""
    part, way = (Part.OUTPUT, "output") if is_answer else (Part.INPUT, "input")
    match modality:
        case Modality.AUDIO:
            quantity, unit = _seconds(media.audio_out if is_answer else media.audio_in), Unit.SECOND
            keys = (f"{way}_cost_per_audio_per_second", f"{way}_cost_per_second")
        case Modality.TEXT:
            quantity, unit = Decimal(media.characters_out if is_answer else media.characters_in), Unit.CHARACTER
            keys = (f"{way}_cost_per_character",)
        case Modality.IMAGE:
            quantity, unit = Decimal(0 if is_answer else media.pictures_in), Unit.PICTURE
            keys = (f"{way}_cost_per_image",)
        case Modality.VIDEO:
            quantity, unit = Decimal(0 if is_answer else media.pictures_in), Unit.SECOND
            keys = (f"{way}_cost_per_video_per_second", f"{way}_cost_per_second")
    price = next((price for price in map(entry.price, keys) if price is not None), None)
    what = what_of(Meter(Direction.OUTPUT if is_answer else Direction.INPUT, modality))
    return None if price is None else line_of(part, what, quantity, unit, price)


def _by_media(entry: Entry, media: Media, location: str | None) -> Cost:
    """Seconds x 25 (audio) or pictures x 258 (video) x the token rate, tokens not rounded; else per-second prices."""
    rates = Rates(entry, Tier.STANDARD, 0, location)
    lines: list[Line] = []
    for is_answer, modality, seconds, tokens in (
        (False, Modality.AUDIO, _seconds(media.audio_in), AUDIO_TOKENS_PER_SECOND),
        (True, Modality.AUDIO, _seconds(media.audio_out), AUDIO_TOKENS_PER_SECOND),
        (False, Modality.VIDEO, Decimal(media.pictures_in), PICTURE_TOKENS),
    ):
        if seconds:
            meter = Meter(Direction.OUTPUT if is_answer else Direction.INPUT, modality)
            line = _media_line(entry, rates, meter, ARITHMETIC.multiply(seconds, tokens), media)
            if line is None:
                return unknown(f"'{entry.name}' has no price for {meter.direction} {modality}")
            lines.append(line)
    return Cost(tuple(lines), Known.ESTIMATED, "no usage came; estimated by the media that passed")


def _media_line(entry: Entry, rates: Rates, meter: Meter, tokens: Decimal, media: Media) -> Line | None:
    """By the modality's own token price; only where that is missing by the second; else at the text rate."""
    is_answer = _is_answer(meter)
    if entry.price(f"{meter.direction}_cost_per_{meter.modality}_token") is None:
        line = _unit_line(entry, is_answer, meter.modality, media)
        if line is not None:
            return line
    rate = rates.rate(meter)
    part = Part.OUTPUT if is_answer else Part.INPUT
    return None if rate is None else line_of(part, what_of(meter), tokens, Unit.TOKEN, rate)


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
