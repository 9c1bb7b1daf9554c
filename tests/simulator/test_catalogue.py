"""The catalogue of models: what the captured requests need is there, and its data agree with themselves."""

from datetime import UTC, datetime

import pytest

from understudy_simulator.answers.models import model_resource
from understudy_simulator.catalogue import every_model, is_publisher, model_of, models_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)

CAPTURED = [
    ("gemini-2.5-flash", "both", "generateContent"),
    ("gemini-2.5-flash", "vertex", "computeTokens"),
    ("gemini-3-flash", "both", "generateContent"),
    ("text-embedding-005", "both", "batchEmbedContents"),
    ("text-embedding-005", "vertex", "predict"),
    ("gemini-embedding-001", "both", "embedContent"),
    ("gemini-embedding-2", "both", "embedContent"),
    ("imagen-4.0-generate-001", "both", "predict"),
    ("imagen-3.0-capability-001", "vertex", "predict"),
    ("imagen-3.0-generate-002", "vertex", "predict"),
    ("virtual-try-on-preview-08-04", "vertex", "predict"),
    ("imagen-product-recontext-preview-06-30", "vertex", "predict"),
    ("image-segmentation-001", "vertex", "predict"),
    ("veo-3.0-generate-001", "both", "predictLongRunning"),
    ("multimodalembedding@001", "vertex", "predict"),
    ("gemini-live-2.5-flash", "both", "bidiGenerateContent"),
    ("gemini-2.0-flash-exp", "both", "bidiGenerateContent"),
    ("gemini-2.5-flash-image", "both", "generateContent"),
    ("gemini-2.5-flash-preview-tts", "both", "streamGenerateContent"),
]


@pytest.mark.parametrize(("name", "service", "method"), CAPTURED)
def test_models_that_captured_requests_name_can_do_what_is_asked_of_them(name, service, method):
    for is_vertex in {"both": (False, True), "vertex": (True,)}[service]:
        model = model_of(name, is_vertex, now=NOW)
        assert model is not None and model.can(method)


def test_ids_that_one_service_alone_has_are_unknown_to_the_other():
    assert model_of("veo-3.1-generate-001", False) is None
    assert model_of("veo-3.1-lite-generate-preview", True) is None
    assert model_of("nonsense", False) is None


def test_a_retired_model_is_unknown_from_its_last_day_on_unless_it_is_kept():
    day = datetime(2025, 9, 24, tzinfo=UTC)
    assert model_of("gemini-1.5-pro-002", False, now=datetime(2025, 9, 23, 23, 59, tzinfo=UTC)) is not None
    assert model_of("gemini-1.5-pro-002", False, now=day) is None
    assert model_of("gemini-1.5-pro-002", False) is not None
    kept = model_of("gemini-1.5-pro", False, now=day)
    assert kept is not None and kept.is_kept and kept.retires is not None
    listed = {model.id for model in models_of(False, now=NOW)}
    assert "gemini-1.5-pro" in listed and "gemini-1.5-pro-002" not in listed


def test_partners_have_their_own_lists():
    claude = model_of("claude-sonnet-4-5@20250929", True, "anthropic")
    assert claude is not None and claude.can("rawPredict") and claude.can("streamRawPredict")
    assert model_of("claude-sonnet-4-5@20250929", True) is None
    assert model_of("claude-sonnet-4-5@20250929", False, "anthropic") is None
    assert {model.publisher for model in models_of(True)} == {"google"}
    assert all(is_publisher(name) for name in ("google", "anthropic", "mistralai", "meta"))
    assert not is_publisher("nobody")


def test_a_card_names_the_publisher_and_its_methods():
    claude, text, imagen = (
        model_of(name, True, publisher)
        for name, publisher in (
            ("claude-opus-5", "anthropic"),
            ("gemini-2.5-flash", "google"),
            ("imagen-4.0-generate-001", "google"),
        )
    )
    assert claude is not None and text is not None and imagen is not None
    assert model_resource(claude, True)["name"] == "publishers/anthropic/models/claude-opus-5"
    assert "publishers/anthropic/models/claude-opus-5" in model_resource(claude, True)["publisherModelTemplate"]
    card = model_resource(text, False)
    assert card["supportedGenerationMethods"][0] == "generateContent" and card["thinking"] is True
    assert "temperature" in card and "temperature" not in model_resource(imagen, False)


def test_a_model_lacks_the_methods_of_other_kinds():
    imagen, text, embedding = (
        model_of(name, True) for name in ("imagen-4.0-generate-001", "gemini-2.5-pro", "text-embedding-005")
    )
    assert imagen is not None and text is not None and embedding is not None
    assert not imagen.can("generateContent")
    assert not text.can("predict") and not text.can("embedContent")
    assert not embedding.can("generateContent")


@pytest.mark.parametrize("model", every_model(), ids=lambda model: f"{model.publisher}-{model.id}")
def test_each_model_is_whole(model):
    assert model.input_limit > 0 and model.output_limit > 0
    assert model.methods and model.display_name and model.outputs and model.inputs
    assert model.on_gemini or model.on_vertex
    assert ("embedding" in model.kind) == (model.dimension > 0)
    assert model.can("bidiGenerateContent") == bool(model.live_modalities)
    assert set(model.shown_methods) <= model.methods
    assert model.publisher == "google" or (model.kind == "partner" and not model.on_gemini)


def test_no_model_is_there_twice():
    names = [(model.publisher, model.id) for model in every_model()]
    assert len(names) == len(set(names))
