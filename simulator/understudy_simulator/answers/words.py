"""Text made of plain English words, of any asked length, and believable texts for members of known names."""

from typing import Final

from .choosing import Chooser

_VOCABULARY: Final = """
amber anchor answer apple april autumn bakery balance bamboo barley basket beacon berry birch bridge bright butter
button candle canvas carbon carpet castle cedar chapter cherry circle citrus clay clever cloud clover coast cobalt
copper coral cotton crystal curious dawn delta desert distant dune early echo ember evening fabric falcon feather
fern field forest fresh garden gentle ginger glass golden granite harbor hazel hollow honey island ivory jasmine
kettle kind ladder lantern lemon level linen little lively maple marble meadow mellow mirror modern morning mountain
narrow north oak ocean olive orange orchard paper pebble pepper pine planet plain pocket quiet quick rain river
round saddle sage salt sandy season shadow signal silver simple slow small spring stone summer sunny tidy timber
travel upper valley velvet violet warm water willow window winter yellow
"""

WORDS: Final = tuple(_VOCABULARY.split())

_SHORTEST_SENTENCE: Final = 6
_LONGEST_SENTENCE: Final = 12
_SENTENCES_IN_PARAGRAPH: Final = 4

_SAMPLES: Final = {
    "city": ("Lisbon", "Nairobi", "Kyoto", "Montevideo", "Helsinki"),
    "location": ("Lisbon", "Nairobi", "Kyoto", "Montevideo", "Helsinki"),
    "country": ("Portugal", "Kenya", "Japan", "Uruguay", "Finland"),
    "name": ("Ada Lindqvist", "Tomas Okafor", "Mei Tanaka", "Ines Duarte", "Noor Haddad"),
    "author": ("Ada Lindqvist", "Tomas Okafor", "Mei Tanaka", "Ines Duarte", "Noor Haddad"),
    "email": ("ada@example.com", "tomas@example.org", "mei@example.net"),
    "url": ("https://example.com/amber", "https://example.org/cedar", "https://example.net/delta"),
    "phone": ("+1 555 0100", "+1 555 0117", "+1 555 0142"),
    "date": ("2026-01-15", "2026-04-02", "2026-09-30"),
    "time": ("08:30", "13:05", "19:45"),
    "color": ("amber", "cobalt", "olive", "violet"),
    "language": ("English", "Portuguese", "Japanese", "Swahili"),
    "currency": ("EUR", "JPY", "KES", "USD"),
    "unit": ("celsius", "fahrenheit"),
    "id": ("a1f3", "b7c2", "d4e9"),
}


def text_for(name: str, choose: Chooser) -> str:
    """A believable text for a member called `name`: `city` gets a city; an unknown name two words."""
    tail = name.replace("-", "_").lower().rpartition("_")[2]
    known = _SAMPLES.get(name.lower()) or _SAMPLES.get(tail)
    if known is not None:
        return choose.one_of(known)
    return f"{choose.one_of(WORDS)} {choose.one_of(WORDS)}"


def words_of(count: int, choose: Chooser) -> str:
    """Exactly `count` words in sentences of six to twelve."""
    sentences: list[str] = []
    while count > 0:
        size = min(_SHORTEST_SENTENCE + choose.number(_LONGEST_SENTENCE - _SHORTEST_SENTENCE + 1), count)
        if 0 < count - size < _SHORTEST_SENTENCE // 2:
            # A last sentence of one or two words would read oddly.
            size = count
        sentences.append(sentence_of(size, choose))
        count -= size
    return " ".join(sentences)


def sentences_of(count: int, choose: Chooser) -> str:
    """Exactly `count` sentences."""
    sizes = (_SHORTEST_SENTENCE + choose.number(_LONGEST_SENTENCE - _SHORTEST_SENTENCE + 1) for _ in range(count))
    return " ".join(sentence_of(size, choose) for size in sizes)


def paragraphs_of(count: int, choose: Chooser) -> str:
    """Exactly `count` paragraphs, an empty line between them."""
    return "\n\n".join(sentences_of(_SENTENCES_IN_PARAGRAPH, choose) for _ in range(count))


def lines_of(count: int, choose: Chooser) -> str:
    """A list of exactly `count` lines."""
    return "\n".join(f"* {choose.one_of(WORDS).capitalize()} {choose.one_of(WORDS)}" for _ in range(count))


def characters_of(count: int, choose: Chooser) -> str:
    """Text of exactly `count` characters."""
    text = words_of(count // 4 + 2, choose)
    return text[: count - 1].rstrip().ljust(count - 1, "a") + "."


def sentence_of(count: int, choose: Chooser) -> str:
    """One sentence of exactly `count` words."""
    return " ".join(choose.one_of(WORDS) for _ in range(count)).capitalize() + "."
