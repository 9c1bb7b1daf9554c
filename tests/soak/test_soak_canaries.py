"""Each secret is a word of its own, stands where the requests put it, and is found wherever it may not be."""

from random import Random

import pytest

from understudy_soak import requests
from understudy_soak.canaries import CARRIERS, LIVE_CARRIERS, TOKEN, Canaries, found_in, once_each

CANARIES = Canaries.of_seed(4)


def test_the_secrets_differ_from_each_other_and_from_those_of_another_seed():
    words = {*CANARIES.beside_the_gateway().values()} - {TOKEN}
    assert len(words) == len(CARRIERS) + len(LIVE_CARRIERS) + 4
    assert not words & set(Canaries.of_seed(5).beside_the_gateway().values())
    assert not any(one in other for one in words for other in words if one != other)


@pytest.mark.parametrize("name", CANARIES.beside_the_gateway())
def test_each_is_found_and_named(name):
    word = CANARIES.beside_the_gateway()[name]
    assert found_in("the log", b"so " + word + b" it is", CANARIES.beside_the_gateway()) == [
        f"{name} stands in the log"
    ]
    assert found_in("the log", b"nothing", CANARIES.beside_the_gateway()) == []


def test_a_provider_may_see_its_own_key_and_what_was_said_and_clients_what_they_said():
    assert CANARIES.provider.encode() not in CANARIES.upstream().values()
    assert CANARIES.prompt.encode() not in (*CANARIES.upstream().values(), *CANARIES.downstream().values())
    assert set(CANARIES.downstream()) == {"the provider's key", "the master key"}


def test_requests_show_one_gateway_key_each_and_in_time_every_carriers():
    draws, shown = Random(1), set()
    for number in range(200):
        data = requests.generate(f"id-{number}", CANARIES, draws, streams=number % 2 == 0)
        keys = [carrier for carrier in CARRIERS if CANARIES.keys[carrier].encode() in data]
        assert len(keys) == 1
        shown.add(keys[0])
        head, _, body = data.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
    assert shown == set(CARRIERS)


@pytest.mark.parametrize("make", [requests.embed, requests.upload, requests.start_video])
def test_every_request_has_its_id_and_what_was_said_only_in_the_body(make):
    head, _, body = make("id-7", CANARIES, Random(2)).partition(b"\r\n\r\n")
    assert b"x-litellm-call-id: id-7" in head
    assert CANARIES.prompt.encode() not in head
    assert body


def test_sentences_are_told_once():
    assert once_each(["a", "b", "a"]) == ("a", "b")
