"""20 MiB in chunks and a video through the gateway with google-genai, with and without `rewrite_urls` (LRO-5, LRO-6).

Without the switch the bytes of an upload go straight to the provider, and the link of a video leads to Google; with it
both lead through the gateway, and the client has never seen another key than the gateway's.
"""

import hashlib
import json
import os
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from understudy.authority import Authority
from understudy.clients import client_environment
from understudy.control import Control
from understudy.demo.plan import CLIENT
from understudy.home import prepared_home
from understudy.wiring import Ports, wired

PROGRAM = Path(__file__).parent / "google_genai_uploads.py"
SIZE = 20 * 1024 * 1024
CHUNKS = 3  # of 8 MiB, the last one smaller
KEY = "sk-uploads-0123456789abcdef"
LIMIT_S = 180
VERSIONS = ("2.34.0", "1.75.0")

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]


def sent_file(folder: Path) -> tuple[Path, str]:
    """A file that never repeats, and its `sha256Hash`."""
    path = folder / "big.bin"
    data = b"".join(hashlib.shake_256(str(number).encode()).digest(1024 * 1024) for number in range(SIZE >> 20))
    path.write_bytes(data)
    return path, b64encode(hashlib.sha256(data).hexdigest().encode()).decode()


WAYS = [
    *((version, rewrites, "https", "") for version in VERSIONS for rewrites in (False, True)),
    *((version, True, "http", "/llm") for version in VERSIONS),
]
"""Release, the switch, the scheme, and a prefix of the gateway's own."""


@pytest.mark.parametrize(("version", "rewrites", "scheme", "prefix"), WAYS)
def test_uploads_and_downloads(version, rewrites, scheme, prefix, tmp_path):
    home = prepared_home(os.environ)
    python = client_environment(CLIENT, version, home, print).python
    path, digest = sent_file(tmp_path)
    settings = {"price_book": "frozen", "keys": [{"id": "up", "key": KEY}], "rewrite_urls": rewrites}
    bundle = Authority.of_home(home).write_bundle(os.environ, tmp_path / "bundle.pem")
    environ = {**os.environ, "SERVER_ROOT_PATH": prefix}
    play = (*Ports().options(), "--speed", "0", "--auth", "issued")
    with wired(
        tmp_path, environ, play, Ports().options(), tmp_path / "account.json", quiet=True, settings=settings
    ) as pair:
        gateway = (pair.gateway.ready.https if scheme == "https" else pair.gateway.ready.http) or ""
        done = subprocess.run(
            [str(python), str(PROGRAM), gateway + prefix + "/gemini", KEY, str(path)],
            env={**os.environ, "SSL_CERT_FILE": str(bundle)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        asked = [
            exchange.request.target for exchange in Control(pair.simulator.ready.admin or "").transcript().exchanges
        ]
        log = (tmp_path / "gateway.log").read_text("utf-8")
    assert (told["size"], told["sha256"]) == (SIZE, digest)
    start, *chunks = told["uploads"]
    assert start == f"{gateway} POST key"
    where = gateway if rewrites else pair.simulator.ready.http
    assert chunks == [f"{where} POST no key"] * CHUNKS
    assert told["file_uri"].startswith("https://generativelanguage.googleapis.com/v1beta/files/")  # a name, not a link
    assert told["film_bytes"] > 1000
    if rewrites:
        assert told["link"].startswith(f"{gateway}{prefix}/gemini/v1beta/files/")
        assert told["by_link"] == [200, told["by_sdk"]]
        assert told["keyless"] == 401
    else:
        assert told["link"].startswith("https://generativelanguage.googleapis.com/")
    downloads = [target for target in asked if ":download" in target]
    assert len(downloads) == (2 if rewrites else 1)
    assert all(target.count("files/") == 1 for target in downloads), downloads  # also where the client nests them
    uploads = [
        line for line in log.splitlines() if '"POST"' in line and '"model": null' in line.replace(":null", ": null")
    ]
    assert len(uploads) == (1 + CHUNKS if rewrites else 1), log
    assert KEY not in log and "understudy_upload" not in log
