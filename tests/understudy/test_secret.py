"""A secret shows as stars wherever it might be printed."""

import json
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.secret import Secret, key_digest

CANARY = "canary-7f3a9c"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "%s".__mod__, lambda s: f"{s:>10}", lambda s: repr([s])])
def test_no_way_of_printing_shows_the_value(show):
    assert CANARY not in show(Secret(CANARY))


def test_it_is_neither_pickled_nor_written_as_json():
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))
    with pytest.raises(TypeError):
        json.dumps(Secret(CANARY))


def test_a_log_line_does_not_show_it(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("t").info("key %s %r", Secret(CANARY), Secret(CANARY))
    assert CANARY not in caplog.text


def test_reveal_is_the_way_to_the_value():
    assert Secret(CANARY).reveal() == CANARY


@given(st.text(), st.text())
def test_secrets_are_equal_exactly_when_their_values_are(one, other):
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one).digest() == key_digest(one.encode("utf-8", "surrogatepass"))


def test_an_empty_secret_is_false():
    assert not Secret("")
    assert Secret("x")
