"""How a model's entry is found, whatever names it: paths of every form, versions, publishers, modelVersion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.price_books import price_book
from understudy.pricing.book import MOST_REMEMBERED, Layer, PriceBook
from understudy.pricing.names import by_last_part, names_of, tried, without_version
from understudy.surfaces import place_of


@pytest.fixture(scope="module")
def shipped():
    return price_book()


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("gemini-2.5-flash", ("gemini-2.5-flash",)),
        ("models/gemini-2.5-flash", ("gemini-2.5-flash",)),
        ("models/gemini-2.5-flash:generateContent", ("gemini-2.5-flash",)),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", ("gemini-2.5-flash",)),
        ("tunedModels/mine", ("mine",)),
        ("publishers/google/models/m@001", ("m@001", "google/m@001")),
        ("projects/p/locations/us-central1/publishers/google/models/m:predict", ("m", "google/m")),
        ("/v1/projects/p/locations/eu/publishers/meta/models/llama:rawPredict", ("meta/llama", "llama")),
        ("projects/p/locations/eu/endpoints/123", ("endpoints/123",)),
        ("google/gemini-2.5-flash", ("google/gemini-2.5-flash", "gemini-2.5-flash")),
        ("meta/llama-4", ("meta/llama-4",)),
        ("vertex_ai/claude@20250514", ("claude@20250514",)),
        ("gemini/gemini-2.5-flash", ("gemini-2.5-flash",)),
        ("claude-sonnet-4@20250514:streamRawPredict", ("claude-sonnet-4@20250514",)),
        ("", ()),
        ("models/", ("models/",)),
        (":predict", ()),
    ],
)
def test_the_names_of_a_model(model, names):
    assert names_of(model) == names


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("m@default", "m"),
        ("m@20250514", "m"),
        ("m-001", "m"),
        ("m@2411-001", "m"),
        ("m-01", "m-01"),
        ("m-0012", "m-0012"),
        ("gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash-preview-09-2025"),
    ],
)
def test_a_name_without_its_version(name, bare):
    assert without_version(name) == bare


def test_the_path_is_tried_before_the_answers_version_and_both_before_names_without_versions():
    assert list(tried("models/a-latest", "b-001")) == ["a-latest", "b-001", "b"]
    assert list(tried("a@default", "a")) == ["a@default", "a"]
    assert list(tried("a", None)) == ["a"]


@pytest.mark.parametrize(
    ("provider", "model", "version", "entry"),
    [
        ("gemini", "models/gemini-2.5-flash", None, "gemini/gemini-2.5-flash"),
        ("vertex_ai", "publishers/google/models/gemini-2.5-flash", None, "gemini-2.5-flash"),
        # The entry with the provider in front knows the uplift and wins.
        ("vertex_ai", "gemini-3.8-flash", None, "vertex_ai/gemini-3.8-flash"),
        ("gemini", "gemini-flash-of-tomorrow-latest", "gemini-2.5-flash", "gemini/gemini-2.5-flash"),
        ("gemini", "gemini-flash-of-tomorrow-latest", "models/gemini-2.5-flash-001", "gemini/gemini-2.5-flash"),
        ("gemini", "gemini-flash-latest", "gemini-2.5-pro", "gemini/gemini-flash-latest"),
        ("vertex_ai", "publishers/anthropic/models/claude-opus-4-6@default", None, "vertex_ai/claude-opus-4-6@default"),
        ("vertex_ai", "publishers/anthropic/models/claude-sonnet-4-5@19990101", None, "vertex_ai/claude-sonnet-4-5"),
        ("vertex_ai", "publishers/meta/models/llama3-8b-instruct-maas", None, "vertex_ai/meta/llama3-8b-instruct-maas"),
        ("vertex_ai", "meta/llama3-8b-instruct-maas", None, "vertex_ai/meta/llama3-8b-instruct-maas"),
        ("vertex_ai", "llama3-8b-instruct-maas", None, "vertex_ai/meta/llama3-8b-instruct-maas"),
        ("vertex_ai", "gemma-4-26b-a4b-it-maas", None, "vertex_ai/google/gemma-4-26b-a4b-it-maas"),
        ("vertex_ai", "google/gemini-2.5-pro", None, "gemini-2.5-pro"),
        ("vertex_ai", "mistral-medium-3@001", None, "vertex_ai/mistral-medium-3@001"),
        ("vertex_ai", "multimodalembedding@001", None, "multimodalembedding@001"),
        ("gemini", "claude-sonnet-4-5", None, None),
        ("gemini", "no-such-model", None, None),
        ("vertex_ai", "endpoints/123", None, None),
        ("gemini", "", None, None),
    ],
)  # fmt: skip
def test_a_shipped_entry_is_found(shipped, provider, model, version, entry):
    found = shipped.entry(provider, model, version)
    assert (found and found.name) == entry


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/gemini-2.5-flash:generateContent",
        "/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent",
        "/v1/publishers/google/models/gemini-2.5-flash%3AgenerateContent",
    ],
)
def test_a_path_and_the_model_that_the_grammar_finds_in_it_have_the_same_price(shipped, path):
    place = place_of(path)
    assert place is not None and place.model is not None
    provider = place.surface.provider
    assert shipped.entry(provider, place.model) is not None
    assert shipped.entry(provider, place.name) is shipped.entry(provider, place.model)


def test_every_shipped_entry_is_found_by_its_own_name(shipped):
    for name in shipped:
        provider, _, model = name.partition("/")
        if provider in ("gemini", "vertex_ai"):
            assert shipped.demanded(provider, model).name == name


def test_a_name_that_two_publishers_share_stands_for_neither():
    entries = {"vertex_ai/a/m": {}, "vertex_ai/b/m": {}, "vertex_ai/b/n": {}, "vertex_ai/x/y/z": {}}
    assert by_last_part(entries, "vertex_ai") == {"n": "vertex_ai/b/n"}
    book = PriceBook.from_layers([Layer("test", entries)])
    assert book.entry("vertex_ai", "m") is None
    assert book.demanded("vertex_ai", "n").name == "vertex_ai/b/n"


def test_look_ups_are_remembered_but_never_without_a_bound():
    book = PriceBook.from_layers([Layer("test", {"gemini/m": {}})])
    entry = book.entry("gemini", "m")
    for number in range(3 * MOST_REMEMBERED):
        assert book.entry("gemini", f"m@{number}") is entry
    assert book.entry("gemini", "m@" + "9" * 10_000) is entry
    assert len(book._remembered) == MOST_REMEMBERED
    assert all(len(model) < 300 for _, model, _ in book._remembered)


word = st.from_regex(r"[a-z][a-z0-9.-]{0,12}[a-z]", fullmatch=True)


@given(word, word, word, st.sampled_from(["predict", "generateContent", "rawPredict"]))
def test_all_forms_of_a_name_are_one_model(model, project, location, method):
    forms = (
        model,
        f"models/{model}",
        f"models/{model}:{method}",
        f"publishers/google/models/{model}",
        f"projects/{project}/locations/{location}/publishers/google/models/{model}",
    )
    book = PriceBook.from_layers([Layer("test", {f"vertex_ai/{model}": {"mode": "chat"}})])
    for form in forms:
        assert book.demanded("vertex_ai", form).name == f"vertex_ai/{model}"
