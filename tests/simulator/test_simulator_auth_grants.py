"""Who is admitted and why not; the grants, the metadata server and ephemeral tokens as values (wire-http 5.2, 11)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import account

from understudy.messages import Request
from understudy.secret import Secret
from understudy.surfaces import place_of
from understudy_simulator.auth.ephemeral import EphemeralToken, EphemeralTokens, constrained, token_of
from understudy_simulator.auth.gate import Gatekeeper, Verdict
from understudy_simulator.auth.metadata import metadata_answer
from understudy_simulator.auth.presented import Presented, presented_in
from understudy_simulator.clock import ManualClock
from understudy_simulator.google_errors import credentials_error
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings

VERTEX = "/v1/projects/p/locations/l/publishers/google/models/m:generateContent"
GEMINI = "/v1beta/models/m:generateContent"
OPENAI = "/v1beta/openai/chat/completions"
OWN = "http://127.0.0.1:1/token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/own"
START = datetime(2026, 1, 1, tzinfo=UTC)


def gate(clock=None, **settings):
    return Gatekeeper(SimulatorSettings(**settings), account(), clock or ManualClock())


def request(*headers, target=VERTEX):
    return Request("POST", target, tuple((name.encode(), value.encode()) for name, value in headers))


def verdict(keeper, *headers, target=VERTEX, **words):
    place = place_of(target.partition("?")[0])
    project = place.project if place else None
    return keeper.judge(
        presented_in(request(*headers, target=target)),
        is_vertex=place is not None and place.surface.is_vertex,
        has_project=project is not None,
        project=project,
        **words,
    )


def bearer(text):
    return ("Authorization", f"Bearer {text}")


def refusal_of(keeper, *headers, target=VERTEX):
    place = place_of(target.partition("?")[0])
    assert place is not None
    about = keeper.refused_project(place.project, presented_in(request(*headers, target=target)).user_project)
    return credentials_error(verdict(keeper, *headers, target=target), place, about)


def refusal(keeper, *headers, target=VERTEX) -> tuple[int, str, Any]:
    """Status, message and ErrorInfo of the refusal that there must be."""
    found = refusal_of(keeper, *headers, target=target)
    assert found is not None
    infos = [detail for detail in found.details if detail["@type"].endswith("ErrorInfo")]
    return found.status, found.message, infos[0]


# ---- keys and tokens


def test_expired_keys_are_told_from_bad_ones():
    assert verdict(gate(), ("x-goog-api-key", "AIza-Expired"), target=GEMINI) is Verdict.KEY_EXPIRED
    keeper = gate(api_keys=(Secret("good"),), expired_keys=(Secret("old"),))
    assert verdict(keeper, target=GEMINI + "?key=old") is Verdict.KEY_EXPIRED
    assert verdict(keeper, target=GEMINI + "?key=good") is Verdict.ADMITTED
    assert verdict(keeper, target=GEMINI + "?key=other") is Verdict.KEY_INVALID
    assert verdict(gate(expired_keys=(Secret("old"),)), target=GEMINI + "?key=other") is Verdict.ADMITTED


def test_tokens_that_say_so_are_expired_or_invalid():
    assert verdict(gate(), bearer("ya29.expired")) is Verdict.TOKEN_EXPIRED
    assert verdict(gate(auth="issued"), bearer("ya29.expired")) is Verdict.TOKEN_EXPIRED
    assert verdict(gate(), bearer("ya29.invalid")) is Verdict.TOKEN_INVALID
    assert verdict(gate(), target=VERTEX + "?access_token=ya29.x") is Verdict.ADMITTED


def test_the_openai_paths_of_gemini_take_the_key_as_bearer():
    assert presented_in(request(bearer("AIza"), target=OPENAI)) == Presented(key=Secret("AIza"))
    assert presented_in(request(bearer("ya29.x"), target=OPENAI)) == Presented(token=Secret("ya29.x"))
    assert presented_in(request(bearer("x"), ("x-goog-api-key", "k"), target=OPENAI)).token == Secret("x")
    assert presented_in(request(bearer("AIza"))) == Presented(token=Secret("AIza"))


def test_litellm_s_second_key_for_claude_is_passed_over():
    keeper = gate(auth="issued")
    keeper.issue("ya29.good")
    assert verdict(keeper, bearer("ya29.good"), ("x-api-key", "ya29.good")) is Verdict.ADMITTED
    assert verdict(keeper, ("x-api-key", "ya29.good")) is Verdict.NO_CREDENTIALS


def test_a_key_with_a_bad_bearer_is_refused_for_the_bearer():
    found = refusal(gate(), bearer("invalid"), ("x-goog-api-key", "good"), target=GEMINI)
    assert found[0] == 401
    assert found[2]["reason"] == "ACCESS_TOKEN_TYPE_UNSUPPORTED"
    assert found[2]["metadata"] == {
        "service": "generativelanguage.googleapis.com",
        "method": "google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent",
    }


def test_a_key_on_a_project_path_is_not_supported():
    found = refusal(gate(), ("x-goog-api-key", "good"))
    assert (found[0], found[2]["reason"]) == (401, "CREDENTIALS_MISSING")
    assert (
        refusal_of(gate(), ("x-goog-api-key", "good"), target="/v1/publishers/google/models/m:generateContent") is None
    )


# ---- projects


def test_projects_may_be_denied_or_have_the_api_disabled():
    keeper = gate(denied_projects=("p",), disabled_projects=("off",))
    found = refusal(keeper, bearer("t"))
    assert (found[0], found[2]["reason"]) == (403, "IAM_PERMISSION_DENIED")
    assert found[2]["metadata"]["resource"] == "projects/p/locations/l/publishers/google/models/m"
    disabled = refusal(keeper, bearer("t"), target=VERTEX.replace("/p/", "/off/"))
    assert (disabled[0], disabled[2]["reason"]) == (403, "SERVICE_DISABLED")
    assert disabled[2]["metadata"]["consumer"] == "projects/off"
    assert refusal_of(keeper, bearer("t"), target=VERTEX.replace("/p/", "/other/")) is None
    assert refusal(keeper, bearer("invalid")) != found


def test_the_project_that_is_to_pay_is_looked_at_on_both_services():
    keeper = gate(denied_projects=("poor",), disabled_projects=("off",))
    for target, host in ((VERTEX, "aiplatform"), (GEMINI, "generativelanguage")):
        poor = refusal(keeper, bearer("t"), ("x-goog-user-project", "poor"), target=target)
        assert (poor[0], poor[2]["reason"]) == (403, "USER_PROJECT_DENIED")
        assert "roles/serviceusage.serviceUsageConsumer" in poor[1]
        off = refusal(keeper, bearer("t"), ("x-goog-user-project", "off"), target=target)
        assert off[2]["metadata"] == {"consumer": "projects/off", "service": f"{host}.googleapis.com"}


def test_a_denied_project_without_a_model_is_the_wrong_project():
    found = refusal(gate(denied_projects=("p",)), bearer("t"), target="/v1/projects/p/locations/l/cachedContents")
    assert (found[1], found[2]["reason"]) == ("Permission denied on resource project p.", "CONSUMER_INVALID")


# ---- self-signed JWTs


def self_signed(signer=None, **changes):
    now = int(START.timestamp())
    claims = {
        "iss": account().email,
        "sub": account().email,
        "aud": "https://aiplatform.googleapis.com/",
        "iat": now,
        "exp": now + 3600,
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return (signer or account()).signed_jwt(claims)


def test_a_self_signed_jwt_is_a_bearer():
    keeper = gate(auth="issued")
    for token in (self_signed(), self_signed(aud=None, scope="https://www.googleapis.com/auth/cloud-platform")):
        assert verdict(keeper, bearer(token)) is Verdict.ADMITTED
        assert verdict(keeper, bearer(token)) is Verdict.ADMITTED


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"aud": "https://storage.googleapis.com/"}, Verdict.TOKEN_INVALID),
        ({"aud": None}, Verdict.TOKEN_INVALID),
        ({"iss": "other@example.com"}, Verdict.TOKEN_INVALID),
        ({"sub": "other@example.com"}, Verdict.TOKEN_INVALID),
        ({"sub": None}, Verdict.TOKEN_INVALID),
        ({"exp": int(START.timestamp()) + 9999}, Verdict.TOKEN_INVALID),
        ({"iat": int(START.timestamp()) - 3600, "exp": int(START.timestamp()) - 1}, Verdict.TOKEN_EXPIRED),
        ({"iat": int(START.timestamp()) + 999, "exp": int(START.timestamp()) + 1999}, Verdict.TOKEN_INVALID),
    ],
)
def test_a_self_signed_jwt_must_be_fresh_and_for_us(changes, wanted):
    assert verdict(gate(), bearer(self_signed(**changes))) is wanted


def test_a_self_signed_jwt_of_another_key_is_refused():
    stranger = ServiceAccount.generate()
    assert verdict(gate(), bearer(self_signed(signer=stranger))) is Verdict.TOKEN_INVALID
    assert verdict(gate(), bearer("eyJ.eyJ.x")) is Verdict.TOKEN_INVALID


class WallClock(ManualClock):
    """A clock whose real time moves too."""

    def wall(self):
        return self.now()


def test_a_self_signed_jwt_that_was_good_expires():
    clock = WallClock()
    keeper, token = gate(clock), bearer(self_signed())
    assert verdict(keeper, token) is Verdict.ADMITTED
    clock.advance(3599)
    assert verdict(keeper, token) is Verdict.ADMITTED
    clock.advance(1)
    assert verdict(keeper, token) is Verdict.TOKEN_EXPIRED


# ---- grants


def granted(keeper, token="ya29.new", **form):
    answer = keeper.exchange(form, OWN, token)
    return answer.status, dict(answer.body)


def refreshed(keeper, **changes):
    form = {"grant_type": "refresh_token", "client_id": "c", "client_secret": "s", "refresh_token": "1//r"} | changes
    return granted(keeper, **form)


def test_a_refresh_token_gives_a_token_with_scope_and_id_token():
    keeper = gate(auth="issued")
    status, body = refreshed(keeper, scope="a b")
    claims = jwt.decode(
        body.pop("id_token"), account().public_key, ["RS256"], audience="c", options={"verify_exp": False}
    )
    assert (status, body) == (
        200,
        {"access_token": "ya29.new", "expires_in": 3599, "token_type": "Bearer", "scope": "a b"},
    )
    assert (claims["iss"], claims["email"]) == ("https://accounts.google.com", account().email)
    assert claims["exp"] - claims["iat"] == 3600
    assert verdict(keeper, bearer("ya29.new")) is Verdict.ADMITTED


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_id": ""}, 400, "invalid_request"),
        ({"client_id": "invalid"}, 401, "invalid_client"),
        ({"client_secret": "invalid"}, 401, "invalid_client"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"refresh_token": "1//expired"}, 400, "invalid_grant"),
        ({"refresh_token": "1//invalid"}, 400, "invalid_grant"),
    ],
)
def test_refresh_tokens_are_refused_as_oauth_does(changes, status, error):
    keeper = gate(auth="issued")
    found = refreshed(keeper, **changes)
    assert (found[0], found[1]["error"]) == (status, error)
    assert verdict(keeper, bearer("ya29.new")) is Verdict.TOKEN_INVALID


def exchanged(keeper, **changes):
    form = {
        "grant_type": EXCHANGE,
        "audience": AUDIENCE,
        "requested_token_type": ACCESS,
        "subject_token": "theirs",
        "subject_token_type": JWT_TYPE,
    }
    return granted(keeper, **(form | changes))


def test_a_subject_token_is_exchanged():
    keeper = gate(auth="issued")
    assert exchanged(keeper) == (
        200,
        {"access_token": "ya29.new", "issued_token_type": ACCESS, "expires_in": 3599, "token_type": "Bearer"},
    )
    assert verdict(keeper, bearer("ya29.new")) is Verdict.ADMITTED
    workforce = "//iam.googleapis.com/locations/global/workforcePools/pool/providers/own"
    assert exchanged(keeper, audience=workforce)[0] == 200


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"audience": ""}, "invalid_request", "audience"),
        ({"audience": "//iam.googleapis.com/projects/1"}, "invalid_target", "audience"),
        ({"requested_token_type": JWT_TYPE}, "invalid_request", "requested_token_type"),
        ({"subject_token_type": "jwt"}, "invalid_request", "subject_token_type"),
        ({"subject_token": ""}, "invalid_request", "subject_token"),
        ({"subject_token": "invalid"}, "invalid_grant", "Unable to parse the ID Token."),
        ({"subject_token": "eyJ.x"}, "invalid_grant", "Unable to parse the ID Token."),
    ],
)
def test_subject_tokens_are_refused(changes, error, words):
    status, body = exchanged(gate(), **changes)
    assert (status, body["error"]) == (400, error)
    assert words in body["error_description"]


def test_a_stale_subject_token_is_refused():
    now = int(START.timestamp())
    stale = jwt.encode({"iat": now - 7200, "exp": now - 3600}, "a secret of at least thirty-two bytes", "HS256")
    status, body = exchanged(gate(), subject_token=stale)
    assert (status, body["error"]) == (400, "invalid_grant")
    assert body["error_description"] == f"ID Token issued at {now - 7200} is stale to sign-in."
    fresh = jwt.encode({"iat": now, "exp": now + 3600}, "a secret of at least thirty-two bytes", "HS256")
    assert exchanged(gate(), subject_token=fresh)[0] == 200


def test_an_assertion_for_an_audience_gives_an_id_token():
    now = int(START.timestamp())
    claims = {"iss": account().email, "aud": OWN, "iat": now, "exp": now + 60, "target_audience": "https://x.test"}
    signed = account().signed_jwt(claims)
    status, body = granted(gate(), grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=signed)
    assert (status, list(body)) == (200, ["id_token"])
    assert jwt.decode(body["id_token"], options={"verify_signature": False})["aud"] == "https://x.test"


FORMS = st.dictionaries(
    st.sampled_from(["grant_type", "audience", "subject_token", "subject_token_type", "client_id", "refresh_token"])
    | st.sampled_from(["requested_token_type", "assertion", "client_secret"]),
    st.sampled_from([EXCHANGE, "refresh_token", AUDIENCE, JWT_TYPE, ACCESS, "eyJ.eyJ.eyJ"]) | st.text(max_size=20),
)


@given(FORMS)
def test_any_form_gets_an_answer_and_only_a_good_one_a_token(form):
    keeper = gate(auth="issued")
    answer = keeper.exchange(form, OWN, "ya29.new")
    assert ("access_token" in answer.body) == (answer.status == 200)
    admitted = verdict(keeper, bearer("ya29.new")) is Verdict.ADMITTED
    assert admitted == (answer.status == 200)


# ---- the metadata server


def metadata(path, has_flavor=True, **query):
    answer = metadata_answer(account(), path, query, has_flavor)
    return answer.status, answer.content_type, answer.body


def test_the_metadata_server_wants_its_header():
    status, _, body = metadata("project/project-id", has_flavor=False)
    assert status == 403
    assert "Missing required header" in body


def test_the_metadata_server_has_strings_directories_and_json():
    text = "application/text"
    assert metadata("project/project-id") == (200, text, "understudy-project")
    assert metadata("universe/universe-domain") == (200, text, "googleapis.com")
    assert metadata("instance/service-accounts/default/email") == (200, text, account().email)
    assert metadata("instance/service-accounts/")[2] == f"default/\n{account().email}/\n"
    assert metadata("instance/service-accounts/default/")[2] == "aliases\nemail\nidentity\nscopes\ntoken\n"
    status, kind, body = metadata("instance/service-accounts/default/", recursive="true")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body)["email"] == account().email
    whole = json.loads(metadata("", recursive="true")[2])
    assert whole["project"]["numericProjectId"].isdigit()
    assert whole["instance"]["serviceAccounts"][account().email] == json.loads(body)
    assert metadata("project/nothing")[0] == 404
    assert metadata("project/project-id/deeper")[0] == 404


def test_tokens_and_identities_are_asked_of_the_caller():
    path = f"instance/service-accounts/{account().email}"
    assert metadata_answer(account(), f"{path}/token", {"scopes": "a,b"}, True).wants_token
    assert metadata_answer(account(), f"{path}/identity", {"audience": "a"}, True).identity_for == "a"
    assert metadata(f"{path}/identity")[0] == 400
    assert metadata("instance/service-accounts/other@example.com/token")[0] == 404


@given(st.text(alphabet="abc-/\\%.@", max_size=40), st.booleans())
def test_any_path_of_the_metadata_server_gets_an_answer(path, is_recursive):
    assert metadata(path, recursive=str(is_recursive).lower())[0] in (200, 404)


# ---- ephemeral tokens


def made(now=START, **members) -> EphemeralToken:
    token = token_of("auth_tokens/a", members, now)
    assert isinstance(token, EphemeralToken), token
    return token


def test_a_token_has_one_use_a_minute_to_begin_and_half_an_hour_to_last():
    token = made()
    assert (token.uses, token.setup, token.fields) == (1, None, None)
    assert token.new_session_expires - START == timedelta(seconds=60)
    assert token.expires - START == timedelta(minutes=30)
    assert made(uses=0).uses is None
    later = made(expireTime="2026-01-01T01:00:00Z", newSessionExpireTime="2026-01-01T02:00:00.5+01:00")
    assert later.expires - START == timedelta(hours=1)
    assert later.new_session_expires - START == timedelta(hours=1)


@pytest.mark.parametrize(
    "members",
    [
        {"uses": -1},
        {"uses": "1"},
        {"uses": True},
        {"expireTime": "soon"},
        {"expireTime": "2026-01-01T00:10:00"},
        {"expireTime": 5},
        {"expireTime": "2025-12-31T23:59:59Z"},
        {"expireTime": "2026-01-01T20:00:01Z"},
        {"newSessionExpireTime": "2025-01-01T00:00:00Z"},
        {"bidiGenerateContentSetup": "x"},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(members):
    assert isinstance(token_of("auth_tokens/a", members, START), str)


def test_a_token_is_admitted_as_often_and_as_long_as_it_says():
    tokens = EphemeralTokens()
    tokens.create("auth_tokens/a", {"uses": 2}, START)
    assert tokens.admit("auth_tokens/b", START) == "unknown"
    assert tokens.admit("auth_tokens/a", START) == "admitted"
    assert tokens.admit("auth_tokens/a", START, resumes=True) == "admitted"
    assert tokens.admit("auth_tokens/a", START + timedelta(seconds=59)) == "admitted"
    assert tokens.admit("auth_tokens/a", START + timedelta(seconds=59)) == "spent"
    assert tokens.admit("auth_tokens/a", START + timedelta(seconds=60)) == "expired"
    assert tokens.admit("auth_tokens/a", START + timedelta(seconds=61), resumes=True) == "admitted"
    assert tokens.admit("auth_tokens/a", START + timedelta(minutes=30), resumes=True) == "expired"
    tokens.create("auth_tokens/c", {"uses": 0}, START + timedelta(hours=1))
    assert tokens.find("auth_tokens/a") is None
    for _ in range(5):
        assert tokens.admit("auth_tokens/c", START + timedelta(hours=1)) == "admitted"


SETUP = {"model": "models/locked", "generationConfig": {"temperature": 0.5, "topK": 1}}
THEIRS = {"model": "models/other", "generationConfig": {"temperature": 2, "seed": 7}, "tools": [{}]}


def test_a_setup_is_locked_whole_or_by_field():
    assert constrained(made(), THEIRS) == THEIRS
    assert constrained(made(bidiGenerateContentSetup=SETUP), THEIRS) == SETUP
    masked = made(bidiGenerateContentSetup=SETUP, fieldMask="model,generationConfig.temperature")
    assert constrained(masked, THEIRS) == {
        "model": "models/locked",
        "generationConfig": {"temperature": 0.5, "seed": 7},
        "tools": [{}],
    }
    without = made(bidiGenerateContentSetup=SETUP, fieldMask="tools,generationConfig.topK,a.b")
    assert constrained(without, THEIRS) == {
        "model": "models/other",
        "generationConfig": {"temperature": 2, "seed": 7, "topK": 1},
    }
    assert THEIRS["generationConfig"] == {"temperature": 2, "seed": 7}


def test_an_ephemeral_token_opens_live_sessions_only():
    name = "auth_tokens/abc"
    ways = [
        presented_in(request(("Authorization", f"Token {name}"), ("x-goog-api-key", name), target=GEMINI)),
        presented_in(request(("Authorization", f"Token {name}"), target=GEMINI)),
        presented_in(request(target=f"{GEMINI}?access_token={name}")),
        presented_in(request(target=f"{GEMINI}?key={name}")),
        presented_in(request(bearer(name), target=GEMINI)),
    ]
    for presented in ways:
        assert presented == Presented(ephemeral=Secret(name))
        assert gate().judge(presented, is_vertex=False, has_project=False) is Verdict.TOKEN_INVALID
        found = gate().judge(presented, is_vertex=False, has_project=False, takes_ephemeral=True)
        assert found is Verdict.ADMITTED
