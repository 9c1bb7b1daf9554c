"""The gateway's process has nothing in it that only reads command lines and documents (issue 7, memory of a worker)."""

import subprocess
import sys

import psutil
import pytest
from gateway_process import ask, process
from gateway_stand import request
from upstream_double import double

CLUMSY = ("typer", "rich", "pydantic", "pydantic_core", "google.auth", "requests", "cryptography")
"""Google's library, with what it needs, comes with the first account that wants a token."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


async def test_serving_imports_neither_typer_rich_nor_pydantic(tmp_path):
    async with double() as up, process(tmp_path, up.url) as running:
        assert (await ask(running.http, request())).status == 200
        child = psutil.Process(running.process.pid)
        words = child.cmdline()
        maps = {mapped.path for mapped in child.memory_maps()}
    assert "understudy.cli.gateway_server" in words
    assert not [path for path in maps if "pydantic" in path or "cryptography" in path]


def test_what_serving_imports_holds_none_of_them(tmp_path):

    modules = (
        "understudy.cli.gateway_server, understudy_gateway.app, understudy_gateway.config, understudy.price_books, "
        "understudy.cli.certificates, understudy.cli.gateway_life, understudy.cli.serving, "
        "understudy.cli.spend_places, understudy.cli.workers"
    )
    code = f"import sys, {modules}; print([name for name in {CLUMSY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
