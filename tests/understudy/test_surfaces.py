"""The path grammar of wire-http 1 and wire-live 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.surfaces import Place, Surface, model_id, place_of

G, V = Surface.GEMINI, Surface.VERTEX
PROJECT = "/v1beta1/projects/p/locations/us-central1"


@pytest.mark.parametrize(
    ("path", "surface", "method", "model"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", G, "generateContent", "gemini-2.5-flash"),
        ("/v1/models/gemini-2.5-flash%3AstreamGenerateContent", G, "streamGenerateContent", "gemini-2.5-flash"),
        ("/models/m:countTokens", G, "countTokens", "m"),
        ("//v1alpha/models/m:countTokens", G, "countTokens", "m"),
        ("/v1beta/models", G, "list", None),
        ("/v1beta/models/m", G, "get", "m"),
        ("/v1beta/models/stream-x:generateContent", G, "generateContent", "stream-x"),
        ("/v1beta/files/abc:download", G, "download", None),
        (
            "/v1beta/models/veo-3.0-generate-001:predictLongRunning",
            Surface.GEMINI_VEO,
            "predictLongRunning",
            "veo-3.0-generate-001",
        ),
        ("/v1beta/models/veo/operations/o1", Surface.GEMINI_VEO, "get", "veo"),
        (PROJECT + "/publishers/google/models/m:generateContent", V, "generateContent", "m"),
        (
            PROJECT + "/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict",
            V,
            "rawPredict",
            "claude-sonnet-4@20250514",
        ),
        ("/v1beta1/publishers/google/models/m:countTokens", V, "countTokens", "m"),
        ("/v1beta1/publishers/google/models", V, "list", None),
        ("/v1beta1/publishers/google/models/m", V, "get", "m"),
        (
            PROJECT + "/publishers/google/models/veo:fetchPredictOperation",
            Surface.VERTEX_VEO,
            "fetchPredictOperation",
            "veo",
        ),
        ("/v1/models/a%2Fb:generateContent", G, "generateContent", "a/b"),
    ],
)
def test_a_path_names_its_surface_method_and_model(path, surface, method, model):
    place = place_of(path)
    assert place is not None
    assert (place.surface, place.method, place.model) == (surface, method, model)


def test_a_vertex_place_carries_project_location_and_publisher():
    place = place_of(PROJECT + "/publishers/google/models/m:generateContent")
    assert place == Place(
        V,
        "generateContent",
        "v1beta1",
        "projects/p/locations/us-central1/publishers/google/models/m",
        model="m",
        project="p",
        location="us-central1",
        publisher="google",
    )


def test_an_operation_keeps_its_whole_name():
    place = place_of("/v1beta/models/veo/operations/o1")
    assert place is not None
    assert place.operation == "models/veo/operations/o1"


@pytest.mark.parametrize(
    ("path", "surface", "method"),
    [
        (
            "/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent",
            Surface.GEMINI_LIVE,
            "bidiGenerateContent",
        ),
        (
            "//ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained",
            Surface.GEMINI_LIVE,
            "bidiGenerateContentConstrained",
        ),
        (
            "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent",
            Surface.VERTEX_LIVE,
            "bidiGenerateContent",
        ),
    ],
)
def test_live_endpoints_are_recognised(path, surface, method):
    place = place_of(path)
    assert place is not None
    assert (place.surface, place.method, place.model) == (surface, method, None)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1beta",
        "/v1beta/",
        "/nonsense/x",
        "/v1/projects/p/publishers/google/models/m:x",
        "/ws/other",
        "/ws/google.cloud.aiplatform.vX.LlmBidiService/BidiGenerateContent",
    ],
)
def test_other_paths_name_nothing(path):
    assert place_of(path) is None


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_exception(text):
    place_of(text)
    place_of("/v1beta/models/" + text)


@pytest.mark.parametrize(
    "name", ["m", "models/m", "publishers/google/models/m", "projects/p/locations/l/publishers/google/models/m"]
)
def test_every_form_of_a_model_name_gives_its_id(name):
    assert model_id(name) == "m"
