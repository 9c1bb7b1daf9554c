"""Google's errors by name: each is what wire-http 5.2 says, field by field, and its page is current."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.errors import ScenarioError
from understudy.provider_errors.catalogue import AREAS, ERRORS, mistake_in, provider_error
from understudy.provider_errors.reference import page
from understudy.rpc_status import HTTP_STATUS
from understudy.scenario.layout import SLOTS, slot_mistakes
from understudy.scenario.model import CloseSession, Reply, Stream, StreamChunk
from understudy.scenario.parse import parse_scenario

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
VALUES = {
    "model": "gemini-2.5-flash",
    "model_path": "models/gemini-2.5-flash",
    "project": "P",
    "location": "L",
    "version": "v1beta",
    "method": "generateContent",
    "rpc_method": "google.x.GenerateContent",
    "path": "/x<y>",
}
GOOGLE = "type.googleapis.com/google.rpc."
GEMINI = "generativelanguage.googleapis.com"
VERTEX = "aiplatform.googleapis.com"
LEARN_MORE = "https://ai.google.dev/gemini-api/docs/rate-limits"
TOKEN_TEXT = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
DISABLED_URL = f"https://console.developers.google.com/apis/api/{VERTEX}/overview?project=P"
IAM_RESOURCE = "projects/P/locations/L/publishers/google/models/gemini-2.5-flash"


def step(error, surface="gemini", **beside):
    document = {"id": "a/b", "title": "t", "surface": surface, "model": "gemini-2.5-flash"}
    return parse_scenario(document | {"server": [{"error": error, **beside}]}).server[0]


def answer(error, surface="gemini") -> tuple[int, dict, dict]:
    """Status, header fields and the error object of an `error` step."""
    reply = step(error, surface)
    assert isinstance(reply, Reply)
    value = json.loads(reply.payload.fill(VALUES))["error"]
    assert value["code"] == reply.status
    return reply.status, {name.decode().lower(): text.decode() for name, text in reply.headers}, value


def info(reason, domain="googleapis.com", **metadata):
    return {"@type": GOOGLE + "ErrorInfo", "reason": reason, "domain": domain, "metadata": metadata}


def localized(message):
    return {"@type": GOOGLE + "LocalizedMessage", "locale": "en-US", "message": message}


def links(*pairs):
    return {"@type": GOOGLE + "Help", "links": [{"description": text, "url": url} for text, url in pairs]}


def bad_request(text, field=None):
    violation = {"description": text} if field is None else {"field": field, "description": text}
    return {"@type": GOOGLE + "BadRequest", "fieldViolations": [violation]}


BAD_KEY = "API key not valid. Please pass a valid API key."
EXPIRED_KEY = "API key expired. Please renew the API key."
UNKNOWN = "Invalid JSON payload received. Unknown name"
QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    f"head to: {LEARN_MORE}. To monitor your current usage, head to: https://ai.dev/rate-limit. "
    f"\n* Quota exceeded for metric: {GEMINI}/generate_content_free_tier_requests, limit: 20, model: gemini-2.5-flash"
    "\nPlease retry in 25.465784708s."
)

CASES = [
    (
        "bad-api-key",
        "gemini",
        400,
        "INVALID_ARGUMENT",
        BAD_KEY,
        [info("API_KEY_INVALID", service=GEMINI), localized(BAD_KEY)],
    ),
    (
        *("expired-api-key", "gemini", 400, "INVALID_ARGUMENT", EXPIRED_KEY),
        [info("API_KEY_INVALID", service=GEMINI), localized(EXPIRED_KEY)],
    ),
    (
        *("no-api-key", "gemini", 403, "PERMISSION_DENIED"),
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
        "form of API consumer identity to call this API.",
        None,
    ),
    (
        *("vertex-no-credentials", "vertex", 401, "UNAUTHENTICATED"),
        "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials that "
        "assert a principal. See https://cloud.google.com/docs/authentication",
        [info("CREDENTIALS_MISSING", service=VERTEX, method="google.x.GenerateContent")],
    ),
    (
        *("bad-token", "gemini", 401, "UNAUTHENTICATED", TOKEN_TEXT),
        [info("ACCESS_TOKEN_TYPE_UNSUPPORTED", service=GEMINI, method="google.x.GenerateContent")],
    ),
    (
        *("expired-token", "vertex", 401, "UNAUTHENTICATED", TOKEN_TEXT),
        [info("ACCESS_TOKEN_EXPIRED", service=VERTEX, method="google.x.GenerateContent")],
    ),
    (
        *("api-disabled", "vertex", 403, "PERMISSION_DENIED"),
        "Vertex AI API has not been used in project P before or it is disabled. Enable it by visiting "
        f"{DISABLED_URL} then retry. If you enabled this API recently, wait a few minutes for the action to propagate "
        "to our systems and retry.",
        [
            links(("Google developers console API activation", DISABLED_URL)),
            info("SERVICE_DISABLED", consumer="projects/P", service=VERTEX),
        ],
    ),
    (
        *("wrong-project", "vertex", 403, "PERMISSION_DENIED", "Permission denied on resource project P."),
        [
            info("CONSUMER_INVALID", containerInfo="P", consumer="projects/P", service=VERTEX),
            localized("Permission denied on resource project P."),
            links(("Google developers console", "https://console.developers.google.com")),
        ],
    ),
    (
        *("iam-denied", "vertex", 403, "PERMISSION_DENIED"),
        f"Permission 'aiplatform.endpoints.predict' denied on resource '//{VERTEX}/{IAM_RESOURCE}' (or it may not "
        "exist).",
        [info("IAM_PERMISSION_DENIED", VERTEX, resource=IAM_RESOURCE, permission="aiplatform.endpoints.predict")],
    ),
    ("permission-denied", "gemini", 403, "PERMISSION_DENIED", "The caller does not have permission", None),
    (
        *({"name": "unknown-field", "field": "x-mcp-header", "at": "tools[0].properties[2].value"}, "gemini", 400),
        *("INVALID_ARGUMENT", f"{UNKNOWN} \"x-mcp-header\" at 'tools[0].properties[2].value': Cannot find field."),
        [
            bad_request(
                f"{UNKNOWN} \"x-mcp-header\" at 'tools[0].properties[2].value': Cannot find field.",
                "tools[0].properties[2].value",
            )
        ],
    ),
    (
        *("unknown-field", "vertex", 400, "INVALID_ARGUMENT", f'{UNKNOWN} "thinking": Cannot find field.'),
        [bad_request(f'{UNKNOWN} "thinking": Cannot find field.')],
    ),
    (
        *("wrong-type", "gemini", 400, "INVALID_ARGUMENT"),
        "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
        [
            bad_request(
                "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
                "generation_config.temperature",
            )
        ],
    ),
    (
        *("wrong-enum", "gemini", 400, "INVALID_ARGUMENT"),
        "Invalid value at 'safety_settings[0].category' "
        '(type.googleapis.com/google.ai.generativelanguage.v1beta.HarmCategory), "X"',
        [
            bad_request(
                "Invalid value at 'safety_settings[0].category' "
                '(type.googleapis.com/google.ai.generativelanguage.v1beta.HarmCategory), "X"',
                "safety_settings[0].category",
            )
        ],
    ),
    (
        *({"name": "malformed-json", "excerpt": "{a"}, "gemini", 400, "INVALID_ARGUMENT"),
        *("Invalid JSON payload received. Unexpected token.\n{a\n^", None),
    ),
    (
        *("missing-contents", "gemini", 400, "INVALID_ARGUMENT"),
        *("* GenerateContentRequest.contents: contents is not specified\n", None),
    ),
    (
        *("missing-contents", "vertex", 400, "INVALID_ARGUMENT"),
        "Unable to submit request because at least one contents field is required. Learn more: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini",
        None,
    ),
    ("invalid-argument", "gemini", 400, "INVALID_ARGUMENT", "Request contains an invalid argument.", None),
    (
        *("url-fetch", "vertex", 400, "INVALID_ARGUMENT"),
        "Cannot fetch content from the provided URL. Please ensure the URL is valid and accessible by Vertex AI. "
        "Vertex AI respects robots.txt rules, so confirm the URL is allowed to be crawled. "
        "Status: URL_ROBOTED-ROBOTED_DENIED",
        None,
    ),
    ("region", "gemini", 400, "FAILED_PRECONDITION", "User location is not supported for the API use.", None),
    (
        *("unknown-model", "gemini", 404, "NOT_FOUND"),
        "models/gemini-2.5-flash is not found for API version v1beta, or is not supported for generateContent. Call "
        "ListModels to see the list of available models and their supported methods.",
        None,
    ),
    (
        *({"name": "vertex-unknown-model", "model": "M"}, "vertex", 404, "NOT_FOUND"),
        "Publisher Model `projects/P/locations/L/publishers/google/models/M` was not found or your project does not "
        "have access to it. Please ensure you are using a valid model version. For more information, see: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions",
        None,
    ),
    (
        *({"name": "unknown-file", "file": "X"}, "gemini", 403, "PERMISSION_DENIED"),
        *("You do not have permission to access the File X or it may not exist.", None),
    ),
    (
        *("quota-gemini", "gemini", 429, "RESOURCE_EXHAUSTED", QUOTA),
        [
            links(("Learn more about Gemini API quotas", LEARN_MORE)),
            {
                "@type": GOOGLE + "QuotaFailure",
                "violations": [
                    {
                        "quotaMetric": f"{GEMINI}/generate_content_free_tier_requests",
                        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
                        "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash"},
                        "quotaValue": "20",
                    }
                ],
            },
            {"@type": GOOGLE + "RetryInfo", "retryDelay": "25.465784708s"},
        ],
    ),
    (
        *("quota-gemini-short", "gemini", 429, "RESOURCE_EXHAUSTED"),
        *("Resource has been exhausted (e.g. check quota).", None),
    ),
    (
        *("quota-vertex", "vertex", 429, "RESOURCE_EXHAUSTED"),
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.",
        None,
    ),
    (
        *({"name": "quota-vertex-project", "model": "gemini-pro"}, "vertex", 429, "RESOURCE_EXHAUSTED"),
        f"Quota exceeded for {VERTEX}/generate_content_requests_per_minute_per_project_per_base_model with base model: "
        "gemini-pro. Please submit a quota increase request. "
        "https://cloud.google.com/vertex-ai/docs/generative-ai/quotas-genai.",
        None,
    ),
    ("internal", "gemini", 500, "INTERNAL", "Internal error encountered.", None),
    (
        *("internal-old", "gemini", 500, "INTERNAL"),
        "An internal error has occurred. Please retry or report in "
        "https://developers.generativeai.google/guide/troubleshooting",
        None,
    ),
    (
        *("overloaded", "vertex", 503, "UNAVAILABLE"),
        "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again "
        "later.",
        None,
    ),
    ("overloaded-2025", "gemini", 503, "UNAVAILABLE", "The model is overloaded. Please try again later.", None),
    ("unavailable", "gemini", 503, "UNAVAILABLE", "The service is currently unavailable.", None),
    ("deadline", "vertex", 504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", None),
    (
        *({"name": "unsupported-member", "field": "config"}, "gemini-veo", 400, "INVALID_ARGUMENT"),
        "`config` isn't supported by this model. Please remove it or refer to the Gemini API documentation for "
        "supported usage.",
        None,
    ),
    (
        *("unsupported-member", "gemini-veo", 400, "INVALID_ARGUMENT"),
        *("`inlineData` isn't supported by this model.", None),
    ),
    (
        *("no-number", "vertex-veo", 400, "INVALID_ARGUMENT"),
        *("The value type for `durationSeconds` needs to be a number.", None),
    ),
    (
        *("out-of-bound", "vertex-veo", 400, "INVALID_ARGUMENT"),
        "The number value for `durationSeconds` is out of bound. Please provide a value between 4 and 8, inclusive.",
        None,
    ),
]


@pytest.mark.parametrize(("error", "surface", "status", "name", "message", "details"), CASES)
def test_every_error_is_google_s_field_by_field(error, surface, status, name, message, details):
    wanted = {"code": status, "message": message, "status": name} | ({"details": details} if details else {})
    given_status, _, value = answer(error, surface)
    assert (given_status, value) == (status, wanted)
    assert list(value) == list(wanted)


def test_every_row_of_the_catalogue_has_a_case():
    """All but the page, and those that have no row in wire-http 5.2."""
    tried = {case[0] if isinstance(case[0], str) else case[0]["name"] for case in CASES}
    beyond = {"not-found-page", "user-project-denied", "too-large", "unknown-operation", "cancelled"}
    assert set(ERRORS) - tried == beyond


def test_tokens_are_refused_with_a_challenge():
    realm = 'Bearer realm="https://accounts.google.com/"'
    assert answer("bad-token")[1] == {"www-authenticate": realm + ', error="invalid_token"'}
    assert answer("vertex-no-credentials", "vertex")[1] == {"www-authenticate": realm}


def test_parameters_stand_in_for_what_the_request_says():
    error = {"name": "quota-gemini", "retry_delay": "47s", "limit": 10, "model": "m", "retry_after": 47}
    _, headers, value = answer(error)
    assert value["message"].endswith("limit: 10, model: m\nPlease retry in 47s.")
    assert value["details"][1]["violations"][0]["quotaDimensions"] == {"location": "global", "model": "m"}
    assert value["details"][2]["retryDelay"] == "47s"
    assert headers == {"retry-after": "47"}


def test_a_service_can_be_named():
    value = answer({"name": "bad-api-key", "service": "vertex"})[2]
    assert value["details"][0]["metadata"] == {"service": VERTEX}


def test_the_frontend_s_page_escapes_the_path():
    reply = step("not-found-page")
    assert isinstance(reply, Reply)
    text = reply.payload.fill(VALUES).decode()
    assert reply.status == 404
    assert not reply.is_error
    assert dict(reply.headers)[b"Content-Type"] == b"text/html; charset=UTF-8"
    assert "<code>/x&lt;y&gt;</code> was not found on this server." in text


def test_what_stands_beside_an_error_is_kept():
    reply = step("overloaded", times=3, fault={"latency": "1s"})
    assert isinstance(reply, Reply)
    assert (reply.times, reply.fault and reply.fault.seconds, reply.is_error) == (3, 1.0, True)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("quota-gemni", "unknown error 'quota-gemni' (did you mean 'quota-gemini'?)"),
        ({"name": "region", "model": "m"}, "'region' has no parameter 'model'; it has: none"),
        ({"name": "quota-gemini", "retry_dealy": "1s"}, "unknown key 'retry_dealy' (did you mean 'retry_delay'?)"),
        ({"name": "bad-api-key", "service": "gemni"}, "unknown service 'gemni' (did you mean 'gemini'?)"),
        ({"name": "overloaded", "retry_after": "1.5s"}, "retry_after is a whole number of seconds; found '1.5s'"),
        ({"name": "unknown-model", "model": "{{modle}}"}, "unknown slot '{{modle}}' (did you mean 'model'?)"),
        ({"model": "m"}, "'name' is missing"),
        (5, "a mapping is wanted here"),
    ],
)
def test_mistakes_are_told_with_the_nearest_word(error, words):
    with pytest.raises(ScenarioError) as caught:
        step(error)
    assert words in str(caught.value)


def test_in_a_stream_an_error_is_an_event_or_a_raw_tail():
    chunks = [{"json": {"a": 1}}, {"error": {"name": "unknown-model", "model": "m"}}, {"raw": {"error": "overloaded"}}]
    document = {
        "id": "a/b",
        "title": "t",
        "surface": "gemini",
        "model": "m",
        "server": [{"stream": {"chunks": chunks}}],
    }
    stream = parse_scenario(document).server[0]
    assert isinstance(stream, Stream)
    _, event, tail = stream.parts
    assert isinstance(event, StreamChunk)
    assert isinstance(tail, StreamChunk)
    assert (event.framed, tail.framed) == (True, False)
    text = event.payload.fill(VALUES)
    assert text.startswith(b'{"error": {"code": 404,"message": "models/m is not found for API version v1beta')
    assert b"\n" not in text
    assert tail.payload.fill(VALUES).startswith(b'{\n  "error": {\n    "code": 503,\n    "message": "This model')
    for word in ({"error": "not-found-page"}, {"raw": {"error": "not-found-page"}}):
        with pytest.raises(ScenarioError, match="has no place in a stream"):
            parse_scenario(document | {"server": [{"stream": {"chunks": [word]}}]})


@pytest.mark.parametrize(
    ("error", "surface", "code", "reason"),
    [
        ("bad-api-key", "gemini-live", 1007, BAD_KEY),
        ("region", "gemini-live", 1007, "User location is not supported for the API use."),
        ("bad-token", "vertex-live", 1008, TOKEN_TEXT[:123]),
        ("unavailable", "gemini-live", 1011, "The service is currently unavailable."),
        (
            *("unknown-model", "gemini-live", 1008),
            "models/gemini-2.5-flash is not found for API version v1beta, or is not supported for bidiGenerateContent. "
            "Call ListModels t",
        ),
    ],
)
def test_on_live_an_error_closes_the_session(error, surface, code, reason):
    assert step(error, surface) == CloseSession(code, reason)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"error": "not-found-page"}, "which a page in HTML cannot"),
        ({"error": "internal", "times": 2}, "'times' does not stand beside an error"),
        ({"error": "internal", "fault": {"latency": "1s"}}, "'fault' does not stand beside an error"),
    ],
)
def test_on_live_an_error_stands_alone(words, message):
    document = {"id": "a/b", "title": "t", "surface": "gemini-live", "model": "m", "server": [words]}
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(document)


@pytest.mark.parametrize("name", ERRORS)
def test_every_default_has_only_slots_that_can_be_filled(name):
    error = provider_error(name)
    assert list(slot_mistakes([dict(ERRORS[name].parameters), error.value, error.page or ""])) == []
    assert HTTP_STATUS.get(error.rpc_name, error.status) == error.status or error.status == 413
    assert set(VALUES) <= set(SLOTS)


@given(st.sampled_from(sorted(ERRORS)), st.text(min_size=1, max_size=40))
def test_any_text_is_fit_for_a_parameter(name, text):
    for parameter in ERRORS[name].parameters:
        given_parameters = {parameter: text}
        if mistake_in(name, given_parameters) is None:
            assert json.loads(json.dumps(provider_error(name, given_parameters).value))["error"]["message"]


def test_the_page_of_the_errors_is_what_the_catalogue_says():
    assert PAGE.read_text("utf-8") == page(), (
        "write it anew: python -m understudy.provider_errors.reference > docs/reference/errors.md"
    )
    assert sum(map(len, AREAS.values())) == len(ERRORS)
