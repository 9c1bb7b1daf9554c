"""The guardrails' automaton against the standard library's expressions, and what bounds it."""

import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import splits
from understudy_gateway.guardrails.automaton import MOST_STATES, Automaton, Exhausted
from understudy_gateway.guardrails.patterns import PatternError, automaton_of
from understudy_gateway.guardrails.texts import TextReader


def found(automaton: Automaton, *pieces: str) -> bool:
    state = automaton.begin()
    for piece in pieces:
        following = automaton.read(state, piece)
        if following is None:
            return True
        state = following
    return automaton.ends(state)


LETTERS = "ab1 \n"
ATOMS = st.sampled_from(
    ["a", "b", "1", ".", r"\d", r"\w", r"\s", r"\W", "[ab]", "[^a]", "[a-b1]", r"\b", r"\B", "^", "$", " "]
)


def _bigger(inner):
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?"])).map(
            lambda two: f"({two[0]}){two[1]}"
        ),
    )


PATTERNS = st.recursive(ATOMS, _bigger, max_leaves=8)


@given(
    PATTERNS,
    st.text(LETTERS, max_size=12).flatmap(lambda text: st.tuples(st.just(text), splits(text.encode()))),
    st.booleans(),
)
def test_what_is_found_is_what_the_standard_library_finds_at_any_split(pattern, cut, is_blind):
    text, pieces = cut
    pattern = ("(?i)" if is_blind else "") + pattern
    try:
        automaton = automaton_of([pattern])
    except PatternError as error:
        assert "empty text" in str(error)
        return
    expected = re.compile(pattern, re.MULTILINE)
    for one in (text, text.upper()):
        assert found(automaton, one) == bool(expected.search(one))
    assert found(automaton, *(piece.decode() for piece in pieces)) == bool(expected.search(text))


@pytest.mark.parametrize(
    ("pattern", "text", "size"),
    [
        ("(a+)+$x", "a", 65536),
        ("(a|a)*b", "a", 65536),
        ("(a*)*c", "a", 65536),
        (r"\d+x", "1", 65536),
        (r"(x+x+)+y", "x", 65536),
        (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a", 65536),
        (r"a{0,100}a{100}b", "a", 65536),
    ],
)
def test_the_worst_text_costs_a_walk_for_few_characters_and_a_look_up_for_all_others(pattern, text, size):
    # Linear: the number of walks does not grow with the text (2.7, "linear ones only").
    automaton = automaton_of([pattern])
    assert not found(automaton, text * size)
    assert automaton.walks <= 1000
    before = automaton.walks
    assert not found(automaton, text * size)
    assert automaton.walks <= before + 1


def test_a_text_that_makes_it_walk_at_each_character_is_given_up():
    # bounded also where remembering does not help. Each piece has its own measure.
    automaton = automaton_of([r"a(a|b){40}(a|b){40}z"])
    hard = "".join(random.Random(1).choices("ab", k=100_000))
    with pytest.raises(Exhausted):
        automaton.read(automaton.begin(), hard)
    assert automaton.walks < 10_000
    assert found(automaton, "a" * 81 + "z")


def test_forgetting_happens_where_there_are_more_states_than_may_be_remembered():
    automaton = automaton_of([r"a(a|b){13}z"])
    for number in range(1 << 13):
        assert not found(automaton, f"{number:013b}".translate({48: "a", 49: "b"}) + "ba")
    assert automaton.walks > MOST_STATES
    assert len(automaton._states) <= MOST_STATES
    assert found(automaton, "a" * 14 + "z")


def test_what_is_whole_is_found_with_its_last_character():
    # A stream must not have to go on for a word to be seen.
    automaton = automaton_of(["ab", "x+y?"])
    assert automaton.read(automaton.begin(), "ab") is None
    assert automaton.read(automaton.begin(), "x") is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)\1",
        "(?=a)b",
        "(?<!a)b",
        "(?>a)b",
        "ba*+",
        "b(?:a{1,3}+)",
        "(?P=x)",
        "((a{1,99}){1,99}){1,99}",
        "a**",
        "(",
        "[",
        "",
        "a*",
        "^",
        "(?x)a b",
        "(?a)a",
        "a{,}",
    ],
)
def test_what_no_automaton_can_follow_is_refused(pattern):
    with pytest.raises(PatternError):
        automaton_of([pattern])


def test_words_are_found_in_any_case_and_not_inside_longer_ones():
    automaton = automaton_of([], ["ass", "Top Secret", "c++", "机密"])
    assert found(automaton, "you ASS!")
    assert found(automaton, "it is top secret")
    assert found(automaton, "C++")
    assert found(automaton, "这是机密文件")
    assert not found(automaton, "an assessment of a class, topsecret c+")
    with pytest.raises(PatternError):
        automaton_of([], ["fine", " "])


def test_a_thousand_words_are_one_look_up_a_character():
    words = [f"word{number:04d}" for number in range(1000)]
    automaton = automaton_of([], words)
    assert found(automaton, "x " * 5000, "word0999", " y")
    assert not found(automaton, "word " * 5000)
    assert automaton.walks < 100


# --- what a body says ------------------------------------------------------------------------------------------------


def read(*pieces: bytes) -> tuple[str, str]:
    reader = TextReader()
    both = [reader.feed(piece, is_last=at == len(pieces) - 1) for at, piece in enumerate(pieces)]
    return "".join(one for one, _ in both), "".join(one for _, one in both)


JSON_TEXT = st.recursive(
    st.text(max_size=8) | st.integers() | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "role", 'te"xt', "parts", "\\"]), inner, max_size=3)
    ),
    max_leaves=10,
)


def texts_of(value: object) -> str:
    match value:
        case list():
            return "".join(texts_of(inner) for inner in value)
        case dict():
            return "".join(
                inner if key == "text" and isinstance(inner, str) else texts_of(inner) for key, inner in value.items()
            )
        case _:
            return ""


@given(JSON_TEXT, st.booleans(), st.sampled_from([None, 1]), st.data())
def test_all_that_is_said_is_read_however_it_is_spelled_and_cut(value, is_ascii, indent, data):
    raw = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode("utf-8")
    pieces = data.draw(splits(raw))
    spelled, said = read(*(pieces or [b""]))
    assert said == texts_of(value)
    assert spelled == read(raw)[0]


@given(st.binary(max_size=200).flatmap(splits))
def test_no_bytes_are_too_odd_to_be_read(pieces):
    read(*(pieces or [b""]))


def test_letters_that_are_spelled_by_number_are_read():
    assert "bad word" in read(b'{"x": "\\u0062ad\\u0020w\\u006', b'frd"}')[0]
    assert read(b'{"text" : "\\ud83d', b'\\ude00 a\\n"}')[0] == '{"text" : "\U0001f600 a\n"}'
    assert read(b'data: {"text": "sec"}\r\n\r\ndata: {"text": "ret"}\r\n\r\n')[1] == "secret"
