"""google-auth itself gets its tokens from the simulator, in every way in which it can be led there (wire-http 11)."""

import asyncio
import json
import os
import sys

import pytest
from google.auth import external_account, identity_pool, impersonated_credentials
from google.auth.exceptions import OAuthError, RefreshError
from google.auth.transport.requests import Request as GoogleRequest
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account
from simulator_rig import FLASH, HELLO, VERTEX_FLASH, account, ask, scenario, simulator

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/own"
ACTED_AS = "other@understudy-project.iam.gserviceaccount.com"
FLAVOR = ("Metadata-Flavor", "Google")
SUBPROCESS_S = 60


async def refreshed(credentials):
    await asyncio.to_thread(credentials.refresh, GoogleRequest())
    return credentials


async def admits(running, token) -> int:
    """The status of a call on Vertex AI with that token."""
    bearer = ("Authorization", f"Bearer {token}")
    return (await ask(running.http_url, "POST", f"{VERTEX_FLASH}:generateContent", bearer, body=HELLO)).status


async def test_a_user_s_refresh_token_gives_a_token():
    async with simulator(auth="issued") as running:
        words = {"token_uri": f"{running.http_url}/token", "client_id": "c", "client_secret": "s", "scopes": SCOPES}
        credentials = await refreshed(user_credentials.Credentials(None, refresh_token="1//r", **words))
        assert credentials.granted_scopes == SCOPES
        assert credentials.id_token.count(".") == 2
        assert await admits(running, credentials.token) == 200
        with pytest.raises(RefreshError, match="Token has been expired or revoked"):
            await refreshed(user_credentials.Credentials(None, refresh_token="1//expired", **words))


def external(running, tmp_path, subject="their token", **more):
    """Credentials of a file as google-auth reads it; the subject token is in a file of its own."""
    token_file = tmp_path / "subject"
    token_file.write_text(subject)
    info = {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{running.http_url}/v1/token",
        "credential_source": {"file": str(token_file)},
        "universe_domain": "googleapis.com",
    }
    return identity_pool.Credentials.from_info(info | more, scopes=SCOPES)


async def test_an_external_account_exchanges_its_token(tmp_path):
    async with simulator(auth="issued") as running:
        credentials = await refreshed(external(running, tmp_path))
        assert isinstance(credentials, external_account.Credentials)
        assert await admits(running, credentials.token) == 200
        with pytest.raises(OAuthError, match="invalid_grant"):
            await refreshed(external(running, tmp_path, subject="invalid"))


async def test_an_external_account_acts_as_a_service_account(tmp_path):
    async with simulator(auth="issued") as running:
        url = f"{running.http_url}/v1/projects/-/serviceAccounts/{ACTED_AS}:generateAccessToken"
        credentials = await refreshed(external(running, tmp_path, service_account_impersonation_url=url))
        assert credentials.service_account_email == ACTED_AS
        assert await admits(running, credentials.token) == 200
        denied = url.replace("other@", "denied@")
        with pytest.raises(RefreshError, match="Unable to acquire impersonated credentials"):
            await refreshed(external(running, tmp_path, service_account_impersonation_url=denied))


async def test_impersonated_credentials_get_access_and_id_tokens():
    async with simulator(auth="issued") as running:
        source = service_account.Credentials.from_service_account_info(
            account().key_file(f"{running.http_url}/token"), scopes=SCOPES
        )
        credentials = impersonated_credentials.Credentials(
            source_credentials=source,
            target_principal=ACTED_AS,
            target_scopes=SCOPES,
            iam_endpoint_override=f"{running.http_url}/v1/projects/-/serviceAccounts/{ACTED_AS}:generateAccessToken",
        )
        await refreshed(credentials)
        assert await admits(running, credentials.token) == 200
        assert credentials.valid


ADC = """
import google.auth, google.auth.transport.requests, google.oauth2.id_token
request = google.auth.transport.requests.Request()
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(request)
identity = google.oauth2.id_token.fetch_id_token(request, "https://audience.test")
print(project, type(credentials).__module__, credentials.service_account_email, credentials.token, identity, sep="\\n")
"""


async def test_google_auth_finds_the_metadata_server(tmp_path):
    async with simulator(auth="issued") as running:
        host = running.http_url.removeprefix("http://")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_"))}
        environ |= {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "CLOUDSDK_CONFIG": str(tmp_path)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ADC), env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(SUBPROCESS_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, err.decode()
        project, module, email, token, identity = out.decode().split()
        assert (project, module) == ("understudy-project", "google.auth.compute_engine.credentials")
        assert email == account().email
        assert await admits(running, token) == 200
        assert identity.count(".") == 2


async def test_the_metadata_server_over_the_wire():
    async with simulator() as running:
        ping = await ask(running.http_url, "GET", "/", FLAVOR)
        assert (ping.status, ping.values("metadata-flavor")) == (200, ["Google"])
        found = await ask(running.http_url, "GET", "/computeMetadata/v1/project/project-id", FLAVOR)
        assert (found.body, found.values("content-type")) == (b"understudy-project", ["application/text"])
        assert found.values("server") == ["Metadata Server for VM"]
        token = await ask(
            running.http_url, "GET", "/computeMetadata/v1/instance/service-accounts/default/token?scopes=a", FLAVOR
        )
        assert token.values("content-type") == ["application/json"]
        assert token.json["expires_in"] == 3599
        for headers in ((), (FLAVOR, ("X-Forwarded-For", "1.2.3.4"))):
            refused = await ask(running.http_url, "GET", "/computeMetadata/v1/instance", *headers)
            assert (refused.status, refused.values("metadata-flavor")) == (403, ["Google"])
        page = await ask(running.http_url, "GET", "/")
        assert (page.status, page.values("metadata-flavor")) == (404, [])


async def iam(running, method, body, *headers, who=ACTED_AS):
    return await ask(running.http_url, "POST", f"/v1/projects/-/serviceAccounts/{who}:{method}", *headers, body=body)


async def test_the_methods_of_iamcredentials():
    bearer = ("Authorization", "Bearer ya29.good")
    async with simulator() as running:
        made = await iam(running, "generateAccessToken", {"scope": SCOPES, "lifetime": "600s"}, bearer)
        assert made.status == 200
        assert made.json["expireTime"].endswith("Z")
        assert "." not in made.json["expireTime"]
        assert await admits(running, made.json["accessToken"]) == 200
        running.stage.clock.advance(601)
        assert await admits(running, made.json["accessToken"]) == 401
        named = await iam(running, "generateIdToken", {"audience": "a", "includeEmail": True}, bearer)
        assert named.json["token"].count(".") == 2
        blob = await iam(running, "signBlob", {"payload": "aGk="}, bearer)
        assert blob.json["keyId"] == account().key_id
        signed = await iam(running, "signJwt", {"payload": json.dumps({"a": 1})}, bearer)
        assert signed.json["signedJwt"].count(".") == 2


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("generateAccessToken", {}),
        ("generateAccessToken", {"scope": SCOPES, "lifetime": "3601s"}),
        ("generateAccessToken", {"scope": SCOPES, "lifetime": "1h"}),
        ("generateIdToken", {}),
        ("signBlob", {"payload": "?"}),
        ("signJwt", {"payload": "["}),
        ("signJwt", {"payload": "[]"}),
    ],
)
async def test_iamcredentials_refuses_what_makes_no_sense(method, body):
    async with simulator() as running:
        answer = await iam(running, method, body, ("Authorization", "Bearer ya29.good"))
        assert (answer.status, answer.json["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("headers", "who", "status", "reason"),
    [
        ((), ACTED_AS, 401, "CREDENTIALS_MISSING"),
        ((("x-goog-api-key", "k"),), ACTED_AS, 401, "CREDENTIALS_MISSING"),
        ((("Authorization", "Bearer invalid"),), ACTED_AS, 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ((("Authorization", "Bearer expired"),), ACTED_AS, 401, "ACCESS_TOKEN_EXPIRED"),
        ((("Authorization", "Bearer good"),), "denied@x.iam.gserviceaccount.com", 403, "IAM_PERMISSION_DENIED"),
    ],
)
async def test_iamcredentials_wants_a_principal_who_may(headers, who, status, reason):
    async with simulator() as running:
        answer = await iam(running, "generateAccessToken", {"scope": SCOPES}, *headers, who=who)
        assert answer.status == status
        info = answer.json["error"]["details"][0]
        assert info["reason"] == reason
        if status == 401:
            assert info["metadata"] == {
                "service": "iamcredentials.googleapis.com",
                "method": "google.iam.credentials.v1.IAMCredentials.GenerateAccessToken",
            }


async def test_denied_projects_over_the_wire():
    async with simulator(denied_projects=("p",), disabled_projects=("poor",)) as running:
        bearer = ("Authorization", "Bearer t")
        denied = await ask(running.http_url, "POST", f"{VERTEX_FLASH}:generateContent", bearer, body=HELLO)
        assert (denied.status, denied.json["error"]["details"][0]["reason"]) == (403, "IAM_PERMISSION_DENIED")
        project = ("x-goog-user-project", "poor")
        poor = await ask(running.http_url, "POST", f"{FLASH}:generateContent", bearer, project, body=HELLO)
        assert (poor.status, poor.json["error"]["details"][1]["reason"]) == (403, "SERVICE_DISABLED")


# ---- errors by name, over the wire


@pytest.mark.parametrize(
    ("method", "is_wrapped"),
    [("generateContent", False), ("streamGenerateContent?alt=sse", False), ("streamGenerateContent", True)],
)
async def test_an_error_by_name_stands_as_the_request_calls_for(method, is_wrapped):
    step = {"error": {"name": "unknown-model", "model": "{{model}}"}}
    async with simulator(scenarios=[scenario([step])]) as running:
        answer = await ask(running.http_url, "POST", f"{FLASH}:{method}", ("x-goog-api-key", "k"), body=HELLO)
        assert answer.status == 404
        value = answer.json[0] if is_wrapped else answer.json
        assert isinstance(answer.json, list) == is_wrapped
        assert value["error"]["message"].startswith(
            "models/gemini-2.5-flash is not found for API version v1beta, or is not supported for generateContent."
        )
        assert answer.body.endswith(b"\n]" if is_wrapped else b"}\n")


async def test_slots_of_an_error_are_filled_from_a_vertex_path():
    steps = [{"error": name} for name in ("iam-denied", "bad-token", "api-disabled", "quota-vertex-project")]
    bearer = ("Authorization", "Bearer t")
    async with simulator(scenarios=[scenario(steps, surface="vertex")]) as running:
        answers = [
            await ask(running.http_url, "POST", f"{VERTEX_FLASH}:generateContent", bearer, body=HELLO) for _ in steps
        ]
        assert [answer.status for answer in answers] == [403, 401, 403, 429]
        resource = "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash"
        assert answers[0].json["error"]["details"][0]["metadata"]["resource"] == resource
        assert answers[1].json["error"]["details"][0]["metadata"] == {
            "service": "aiplatform.googleapis.com",
            "method": "google.cloud.aiplatform.v1beta1.PredictionService.GenerateContent",
        }
        assert answers[1].values("www-authenticate") == [
            'Bearer realm="https://accounts.google.com/", error="invalid_token"'
        ]
        assert answers[2].json["error"]["details"][1]["metadata"]["consumer"] == "projects/p"
        assert "with base model: gemini-2.5-flash." in answers[3].json["error"]["message"]


async def test_the_page_by_name_is_the_frontend_s():
    async with simulator(scenarios=[scenario([{"error": "not-found-page"}])]) as running:
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", ("x-goog-api-key", "k"), body=HELLO)
        assert answer.status == 404
        assert answer.values("content-type") == ["text/html; charset=UTF-8"]
        assert f"<code>{FLASH}:generateContent</code>".encode() in answer.body


async def test_errors_inside_a_stream_take_three_forms():
    chunks = [{"json": {"a": 1}}, {"error": "overloaded"}]
    tail = [{"json": {"a": 1}}, {"raw": {"error": "overloaded"}}]
    steps = [{"stream": {"chunks": chunks}, "times": 2}, {"stream": {"chunks": tail}}]
    async with simulator(scenarios=[scenario(steps)]) as running:
        call, key = f"{FLASH}:streamGenerateContent", ("x-goog-api-key", "k")
        event = await ask(running.http_url, "POST", f"{call}?alt=sse", key, body=HELLO)
        array = await ask(running.http_url, "POST", call, key, body=HELLO)
        raw = await ask(running.http_url, "POST", f"{call}?alt=sse", key, body=HELLO)
    assert event.body.endswith(b'"status": "UNAVAILABLE"}}\r\n\r\n')
    assert event.body.count(b'data: {"error": {"code": 503') == 1
    assert array.json[1]["error"]["code"] == 503
    assert raw.body.startswith(b'data: {"a": 1}\r\n\r\n{\n  "error": {\n    "code": 503,')


async def test_tokens_outlive_a_reset():
    """A gateway in front has cached one, and must not be refused because a test began."""
    async with simulator(auth="issued") as running:
        body = b"grant_type=refresh_token&client_id=c&refresh_token=r"
        token = (await ask(running.http_url, "POST", "/~one/token", body=body)).json["access_token"]
        running.stage.reset()
        assert await admits(running, token) == 200
