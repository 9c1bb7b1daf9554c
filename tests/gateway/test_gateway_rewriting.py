"""URLs of the provider that lead back to the gateway: off by default, signed, expiring, no credential (LRO-5)."""

import json
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from features_stand import featured
from gateway_stand import KEY, UPSTREAM_KEY, Reply, asked, client, config_of, gateway, recorded, request
from hypothesis import given
from hypothesis import strategies as st
from upstream_double import answering, double, response

from understudy.secret import Secret
from understudy_gateway.rewriting import LONGEST_URL, UriRewriter, mended, public_base
from understudy_gateway.settings import Base
from understudy_gateway.upload_urls import LIFE, PARAMETER, UploadSigner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = UploadSigner(Secret("AIza-provider-key"))
TARGET = b"/upload/v1beta/files?upload_id=abc"

# --- the signature ---------------------------------------------------------------------------------------------------


def query(piece: bytes) -> bytes:
    return TARGET.partition(b"?")[2] + b"&" + piece


def test_a_signed_url_says_whose_it_is_for_a_day():
    # S-56
    piece = SIGNER.piece(TARGET, "team a/é", NOW)
    assert piece.startswith(PARAMETER + b"=") and piece.isascii() and b"AIza" not in piece
    assert SIGNER.key_id(TARGET, query(piece), NOW) == "team a/é"
    assert SIGNER.key_id(TARGET, query(piece), NOW + LIFE - timedelta(seconds=1)) == "team a/é"
    assert SIGNER.key_id(TARGET, query(piece), NOW + LIFE + timedelta(seconds=1)) is None


def test_it_is_good_for_its_target_alone_and_for_its_signer():
    piece = SIGNER.piece(TARGET, "team", NOW)
    for other in (TARGET + b"d", TARGET.replace(b"upload_id", b"Upload_id"), b"/upload/v1beta/files"):
        assert SIGNER.key_id(other, query(piece), NOW) is None
    assert UploadSigner(Secret("AIza-another-key")).key_id(TARGET, query(piece), NOW) is None
    assert SIGNER.key_id(TARGET, query(piece) + b"&" + piece, NOW) is None  # twice
    assert SIGNER.key_id(TARGET, b"a=1", NOW) is None


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_byte_of_it_can_be_changed(at, change):
    piece = bytearray(SIGNER.piece(TARGET, "team", NOW))
    at = len(PARAMETER) + 1 + at % (len(piece) - len(PARAMETER) - 1)
    piece[at] = (piece[at] + change) % 256
    assert SIGNER.key_id(TARGET, query(bytes(piece)), NOW) is None


@given(st.binary(max_size=80))
def test_garbage_is_nobodys(garbage):
    assert SIGNER.key_id(TARGET, PARAMETER + b"=" + garbage, NOW) is None


# --- bodies ----------------------------------------------------------------------------------------------------------

ORIGIN = b"https://generativelanguage.googleapis.com"
PUBLIC = b"http://gw.example:4000/llm/gemini"


def rewritten(body: bytes, cuts: tuple[int, ...] = ()) -> bytes:
    rewriter, out, last = UriRewriter((ORIGIN,), PUBLIC), b"", 0
    for cut in (*sorted(cuts), len(body)):
        out += rewriter.feed(body[last:cut])
        last = cut
    return out + rewriter.finish()


LINKS = [
    (b"/v1beta/files/a:download?alt=media", b"/v1beta/files/a:download?alt=media"),
    (b"/v1beta/files/a?alt=media", b"/v1beta/files/a?alt=media"),
    (b"/v1beta/files/a:download?alt\\u003dmedia\\u0026x\\u003d1", b"/v1beta/files/a:download?alt=media&x=1"),
    (b"/v1beta/files/a:download?key=AIza-secret&alt=media", b"/v1beta/files/a:download?alt=media"),
    (b"/v1beta/files/a:download?key=AIza-secret", b"/v1beta/files/a:download"),
]


@pytest.mark.parametrize(("link", "back"), LINKS)
@pytest.mark.parametrize(
    "shape", [b'{"uri":"%b"}', b'{ "video" : {\n "uri" :\t"%b" , "a":1}}', b'[{"downloadUri": "%b"}]']
)
def test_links_to_downloads_lead_back(link, back, shape):
    assert rewritten(shape % (ORIGIN + link)) == shape % (PUBLIC + back)


@pytest.mark.parametrize(
    "body",
    [
        b'{"uri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}',  # a name, for fileData.fileUri
        b'{"uri":"gs://bucket/a:download"}',
        b'{"uri":"https://generativelanguage.googleapis.com.evil.example/a:download"}',
        b'{"uri":"https://evil.example/https://generativelanguage.googleapis.com/a:download"}',
        b'{"text":"\\"uri\\":\\"https://generativelanguage.googleapis.com/a:download\\""}',
        b'{"other":"https://generativelanguage.googleapis.com/a:download"}',
        b'{"uris":"https://generativelanguage.googleapis.com/a:download"}',
        b'{"uri":"https://generativelanguage.googleapis.com/' + b"a" * LONGEST_URL + b':download"}',
        b'{"uri":7,"uri":null,"uri":{"uri":"x"}}',
        b'{"uri"',
        b'{"uri":"https://generativelanguage.googleapis.com/a:download',
        b"",
    ],
)
def test_everything_else_stays_as_it_is(body):
    assert rewritten(body) == body


WHOLE = [
    b'"uri": "%b/files/a:download?alt=media",' % ORIGIN,
    b'"downloadUri":"%b/b:download"' % ORIGIN,
    b'{"uri":"gs://b"}',
]
FRAGMENTS = st.sampled_from(WHOLE) | st.sampled_from(
    [b'"uri"', b'"downloadUri"', b'"u', b":", b'"', b" ", b",", ORIGIN, b"/a:download", b"?alt=media", b"x", b"\\"]
)


@given(st.lists(FRAGMENTS, max_size=25).map(b"".join), st.lists(st.integers(0, 400), max_size=12))
def test_the_pieces_it_comes_in_make_no_difference(body, cuts):
    assert rewritten(body, tuple(min(cut, len(body)) for cut in cuts)) == rewritten(body)


def test_what_is_held_back_is_bounded():
    # STR-7, S-52: also by a body that is made for it
    rewriter, kept = UriRewriter((ORIGIN,), PUBLIC), 0
    for piece in [b'{"uri":"', *[b"a" * 1000] * 100, *[b'"uri":' + b" " * 50] * 100]:
        rewriter.feed(piece)
        kept = max(kept, len(rewriter._held))
    assert kept <= LONGEST_URL + 512


@pytest.mark.parametrize(
    ("public_url", "host", "mount", "base"),
    [
        (None, b"gw.example", b"", b"http://gw.example/gemini"),
        (None, b"[::1]:4000", b"/llm", b"http://[::1]:4000/llm/gemini"),
        (None, b'gw"example', b"", None),
        (None, b"gw.example/x", b"", None),
        (None, b"a@gw.example", b"", None),
        (None, None, b"", None),
        (Base("https", "llm.example", 443, "/x"), b"other", b"/llm", b"https://llm.example/x/gemini"),
        (Base("http", "llm.example", 8000), None, b"", b"http://llm.example:8000/gemini"),
    ],
)
def test_where_it_leads_is_configured_or_what_the_client_called(public_url, host, mount, base):
    assert public_base(public_url, b"http", host, mount) == base


@pytest.mark.parametrize(
    ("path", "query", "path_meant", "query_meant"),
    [
        (b"/v1beta/files/http://gw:4000/gemini/v1beta/files/a1:download", b"alt=media:download?alt=media",
         b"/v1beta/files/a1:download", b"alt=media"),
        (b"/v1beta/files/http%3A//gw/llm/gemini/v1beta/files/a1:download", None, b"/v1beta/files/a1:download",
         b"alt=media"),
        (b"/v1beta/files/a1:download", b"alt=media&x", b"/v1beta/files/a1:download", b"alt=media&x"),
        (b"/v1beta/files/http://gw/a1:download", None, b"/v1beta/files/http://gw/a1:download", None),
        (b"/v1beta/files/http://gw/files/A%2Fb:download", b"", b"/v1beta/files/http://gw/files/A%2Fb:download", b""),
    ],
)  # fmt: skip
def test_a_link_that_a_client_took_for_a_name_is_understood(path, query, path_meant, query_meant):
    assert mended(path, query) == (path_meant, query_meant)


# --- on the wire -----------------------------------------------------------------------------------------------------

START = "/gemini/upload/v1beta/files"
BEGIN = {"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start"}


class Uploads:
    """A provider that starts uploads at URLs of its own and takes their bytes; gives JSON on other paths."""

    def __init__(
        self, body: bytes = b"{}", more: bytes = b"", target: bytes = b"/upload/v1beta/files?upload_id=u1&key=x"
    ):
        self.body, self.more, self.target = body, more, target

    async def __call__(self, talk, seen):
        if seen.values(b"x-goog-upload-command") == [b"start"]:
            host = seen.values(b"host")[0]
            field = b"X-Goog-Upload-URL: http://%b%b\r\nX-Goog-Upload-Status: active\r\n" % (host, self.target)
            await talk.send(b"HTTP/1.1 200 OK\r\n" + field + b"Content-Length: 0\r\n\r\n")
        else:
            await talk.send(response(self.body).replace(b"\r\n\r\n", b"\r\n" + self.more + b"\r\n", 1))


def upload_target(reply: Reply) -> bytes:
    found = reply.value(b"x-goog-upload-url")
    assert found is not None
    assert found.startswith(b"http://gateway.example/gemini/upload/"), found
    return found.removeprefix(b"http://gateway.example")


async def test_an_upload_goes_through_the_gateway_without_a_key():
    async with double(Uploads()) as provider, gateway(provider.url, rewrite_urls=True) as running:
        started = await asked(running, request(START, headers=BEGIN, body=b'{"file":{}}'))
        target = upload_target(started)
        assert UPSTREAM_KEY.encode() not in target and KEY.encode() not in target and b"key=" not in target
        data = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
        sent = await asked(running, request(target, headers=data, body=b"\0\xff bytes", key=None))
        with_key = await asked(running, request(target, headers=data, body=b"again", method="PUT"))
        first, second, _ = await recorded(running, 3)
    assert (started.status, started.value(b"x-goog-upload-status")) == (200, b"active")
    assert (sent.status, with_key.status) == (200, 200)
    seen = provider.requests[1]
    assert (seen.target, seen.body) == (b"/upload/v1beta/files?upload_id=u1", b"\0\xff bytes")
    assert seen.values(b"x-goog-api-key") == [UPSTREAM_KEY.encode()]  # S-3: in a header
    assert seen.values(b"x-goog-upload-command") == [b"upload, finalize"]
    assert (first.key_id, second.key_id, second.cost) == ("team", "team", 0)


def changed(target: bytes) -> list[bytes]:
    """URLs that look like the good one."""
    return [
        target.replace(b"upload_id=u1", b"upload_id=u2"),
        target.replace(b"/files?", b"/files/x?"),
        target.replace(b"/upload/", b"/uploads/"),
        target.replace(b"/gemini/", b"/vertex_ai/"),
        target + b"&x=1",
        target[:-1] + (b"A" if target[-1:] != b"A" else b"B"),
        target.partition(b"&understudy_upload")[0],
        b"/gemini/v1beta/models/gemini-2.5-flash:generateContent?" + target.rpartition(b"&")[2],
    ]


async def test_only_that_very_url_stands_for_a_key():
    # AUTH-2, S-7
    async with double(Uploads()) as provider, gateway(provider.url, rewrite_urls=True) as running:
        target = upload_target(await asked(running, request(START, headers=BEGIN)))
        for other in changed(target):
            assert (await asked(running, request(other, key=None))).status == 401, other
        for method in ("GET", "DELETE", "PATCH"):
            assert (await asked(running, request(target, key=None, method=method))).status == 401
        async with client(running) as talk:  # S-7: a good URL does not let the connection in
            await talk.send(request(target, key=None) + request("/gemini/v1beta/files", key=None))
            assert [(await talk.reply()).status, (await talk.reply()).status] == [200, 401]
    assert len(provider.requests) == 2


async def test_a_url_of_nobody_any_more_is_refused():
    """The key that began the upload is gone, or the URL is too old."""
    other = [{"id": "other", "key": "sk-another-key-0123456789"}]
    now = [datetime.now(UTC)]
    from gateway_stand import BOOK, Gateway

    from understudy_gateway.listeners import Listen

    async with double(Uploads()) as provider:
        settings = config_of(provider.url, rewrite_urls=True)
        async with Gateway(settings, Listen(), book=BOOK, now=lambda: now[0]) as running:
            target = upload_target(await asked(running, request(START, headers=BEGIN)))
            assert (await asked(running, request(target, key=None))).status == 200
            now[0] += LIFE + timedelta(seconds=2)
            assert (await asked(running, request(target, key=None))).status == 401
            now[0] -= LIFE
            await running.reload(config_of(provider.url, rewrite_urls=True, keys=other), BOOK)
            assert (await asked(running, request(target, key=None))).status == 401


async def test_a_url_begets_no_other():
    async with double(Uploads()) as provider, gateway(provider.url, rewrite_urls=True) as running:
        target = upload_target(await asked(running, request(START, headers=BEGIN)))
        again = await asked(running, request(target, headers=BEGIN, key=None))
    assert again.value(b"x-goog-upload-url") == provider.url.encode() + b"/upload/v1beta/files?upload_id=u1&key=x"


async def test_a_limit_of_its_key_holds_for_the_bytes_too():
    keys = [{"id": "team", "key": KEY, "rpm_limit": 2}]
    async with double(Uploads()) as provider, gateway(provider.url, rewrite_urls=True, keys=keys) as running:
        target = upload_target(await asked(running, request(START, headers=BEGIN)))
        statuses = [(await asked(running, request(target, key=None))).status for _ in range(2)]
    assert statuses == [200, 429]


async def test_switched_off_nothing_is_changed():
    body = b'{"uri":"%b/v1beta/files/a:download?alt=media"}' % ORIGIN
    async with double(Uploads(body)) as provider, gateway(provider.url) as running:
        started = await asked(running, request(START, headers=BEGIN))
        polled = await asked(running, request("/gemini/v1beta/files/a", method="GET", body=None))
        passed = await asked(
            running, request("/gemini/v1beta/files/a?understudy_upload=1.a.b", headers={"Accept-Encoding": "gzip"})
        )
    assert started.value(b"x-goog-upload-url") == provider.url.encode() + b"/upload/v1beta/files?upload_id=u1&key=x"
    assert (polled.body, polled.value(b"content-length")) == (body, b"%d" % len(body))
    assert provider.requests[2].target == b"/v1beta/files/a?understudy_upload=1.a.b" and passed.status == 200
    assert provider.requests[2].values(b"accept-encoding") == [b"gzip"]


POLL = "/gemini/v1beta/models/veo-3.0-generate-001/operations/o"


async def test_the_link_of_a_video_leads_back_and_is_followed_with_the_gateways_key():
    done = {"done": True, "response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": "LINK"}}]}}}
    film = random.Random(7).randbytes(300_000)

    async def provider_says(talk, seen):
        if seen.target.startswith(b"/base/v1beta/models/"):
            link = f"http://{seen.values(b'host')[0].decode()}/base/v1beta/files/f1:download?alt=media"
            await talk.send(response(json.dumps(done, indent=2).replace("LINK", link).encode()))
        else:
            await talk.send(response(film, b"video/mp4"))

    async with double(provider_says) as provider, gateway(provider.url + "/base", rewrite_urls=True) as running:
        poll = await asked(running, request(POLL, method="GET", body=None, headers={"Accept-Encoding": "gzip"}))
        link = json.loads(poll.body)["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]
        target = link.removeprefix("http://gateway.example")
        got = await asked(running, request(target, method="GET", body=None))
        unknown = await asked(running, request(target, method="GET", body=None, key=None))
    assert target == "/gemini/v1beta/files/f1:download?alt=media"
    assert provider.requests[0].values(b"accept-encoding") == []
    assert (got.status, got.body, unknown.status) == (200, film, 401)
    assert provider.requests[1].target == b"/base/v1beta/files/f1:download?alt=media"


@pytest.mark.parametrize("kind", [b"video/mp4", b"text/event-stream", b"application/octet-stream"])
async def test_what_is_no_json_passes_byte_for_byte(kind):
    body = b'{"uri":"%b/v1beta/files/a:download?alt=media"}' % ORIGIN
    async with double(answering(response(body, kind))) as provider, gateway(provider.url, rewrite_urls=True) as running:
        reply = await asked(running, request("/gemini/v1beta/files/a:download?alt=media", method="GET", body=None))
    assert (reply.body, reply.value(b"content-length")) == (body, b"%d" % len(body))


async def test_what_is_compressed_all_the_same_is_left_alone():
    # HDR-6, as with STR-9
    more = b"Content-Encoding: gzip\r\n"
    body = b'\x1f\x8b"uri":"%b/v1beta/files/a:download?alt=media"' % ORIGIN
    async with double(Uploads(body, more)) as provider, gateway(provider.url, rewrite_urls=True) as running:
        reply = await asked(running, request("/gemini/v1beta/files/a", method="GET", body=None))
    assert (reply.body, reply.value(b"content-encoding")) == (body, b"gzip")


async def test_redirects_of_the_provider_to_itself_lead_back_and_others_do_not():
    # STR-11
    async def script(talk, seen):
        where = b"/v1beta/x:download" if seen.target.endswith(b"own") else b"//evil.example/x"
        origin = b"http://" + seen.values(b"host")[0] if seen.target.endswith(b"own") else b"https:"
        await talk.send(b"HTTP/1.1 302 Found\r\nLocation: %b%b\r\nContent-Length: 0\r\n\r\n" % (origin, where))

    async with double(script) as provider, gateway(provider.url, rewrite_urls=True) as running:
        places = [
            (await asked(running, request(f"/gemini/v1beta/files/{name}", method="GET", body=None))).value(b"location")
            for name in ("own", "other")
        ]
    assert places == [b"http://gateway.example/gemini/v1beta/x:download", b"https://evil.example/x"]


async def test_a_changed_answer_that_breaks_off_is_seen_as_broken():
    # STR-4
    async def script(talk, seen):
        await talk.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"uri":"htt')
        talk.reset()

    async with double(script) as provider, gateway(provider.url, rewrite_urls=True) as running:
        reply = await asked(running, request("/gemini/v1beta/files/a", method="GET", body=None))
    assert not reply.is_whole


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_head_of_a_changed_answer_has_no_body(method):
    body = b'{"uri":"%b/v1beta/files/a:download"}' % ORIGIN

    async def script(talk, seen):
        whole = response(body)
        await talk.send(whole[: whole.index(b"\r\n\r\n") + 4] if seen.request_line.startswith(b"HEAD") else whole)

    async with double(script) as provider, gateway(provider.url, rewrite_urls=True) as running:
        reply = await asked(
            running, request("/gemini/v1beta/files/a", method=method, body=None), is_head=method == "HEAD"
        )
    assert reply.status == 200
    assert reply.body == (
        b"" if method == "HEAD" else b'{"uri":"http://gateway.example/gemini/v1beta/files/a:download"}'
    )


async def test_the_public_url_is_taken_where_it_is_configured():
    words = {"rewrite_urls": True, "public_url": "https://llm.example/x"}
    async with double(Uploads()) as provider, gateway(provider.url, **words) as running:
        started = await asked(running, request(START, headers=BEGIN))
    assert (started.value(b"x-goog-upload-url") or b"").startswith(b"https://llm.example/x/gemini/upload/v1beta/files?")


async def test_where_clients_bring_their_own_credential_upload_urls_stay():
    from gateway_stand import parse_config

    async with double(Uploads()) as provider:
        ours = {"keys": [{"id": "team", "key": KEY}], "client_credentials": True, "rewrite_urls": True}
        settings = parse_config({"understudy_settings": ours}, {"GEMINI_API_BASE": provider.url})
        async with gateway(provider.url, config=settings) as running:
            headers = {**BEGIN, "x-litellm-api-key": KEY, "x-goog-api-key": "AIza-my-own"}
            started = await asked(running, request(START, headers=headers, key=None))
    assert started.value(b"x-goog-upload-url") == provider.url.encode() + b"/upload/v1beta/files?upload_id=u1&key=x"


@pytest.mark.parametrize("cost_header", [False, True])
async def test_beside_a_guardrail_links_lead_back_too(cost_header):
    """LRO-5, in head and body of an answer that is judged as well."""

    async def provider_says(talk, seen):
        origin = b"http://" + seen.values(b"host")[0]
        if seen.target.startswith(b"/upload/"):
            url = origin + b"/upload/v1beta/files?upload_id=u1"
            await talk.send(b"HTTP/1.1 200 OK\r\nX-Goog-Upload-URL: " + url + b"\r\nContent-Length: 0\r\n\r\n")
        else:
            await talk.send(response(b'{"n": 1, "uri": "%b/v1beta/files/f1:download?alt=media"}' % origin))

    rule = {"guardrail": "deny_list", "mode": "post_call", "default_on": True, "blocked_words": ["hunter2"]}
    top = {"guardrails": [{"guardrail_name": "no-secrets", "litellm_params": rule}]}
    async with double(provider_says) as provider:
        config = featured(provider.url, top=top, rewrite_urls=True, response_cost_header=cost_header)
        async with gateway("", config=config) as running:
            started = await asked(running, request("/gemini/upload/v1beta/files"))
            polled = await asked(running, request(POLL, method="GET", body=None))
    link = started.value(b"x-goog-upload-url")
    assert link is not None and link.startswith(b"http://gateway.example/gemini/upload/v1beta/files?upload_id=u1&")
    assert polled.body == b'{"n": 1, "uri": "http://gateway.example/gemini/v1beta/files/f1:download?alt=media"}'
    assert (polled.is_whole, polled.value(b"content-length")) == (True, None)


async def test_a_word_in_an_answer_whose_links_lead_back_still_breaks_it_off():
    """STR-4."""
    body = b'{"uri": "%b/v1beta/files/f1:download?alt=media", "text": "it is hunter2"}' % ORIGIN
    rule = {"guardrail": "deny_list", "mode": "post_call", "default_on": True, "blocked_words": ["hunter2"]}
    top = {"guardrails": [{"guardrail_name": "no-secrets", "litellm_params": rule}]}
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(double(answering(response(body))))
        config = featured(provider.url, top=top, rewrite_urls=True)
        running = await stack.enter_async_context(gateway("", config=config))
        reply = await asked(running, request(POLL, method="GET", body=None))
    assert not reply.is_whole
