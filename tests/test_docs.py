"""The documents tell the truth: links lead somewhere, examples are parsed by the code that they document."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from understudy.scenario.parse import parse_scenario
from understudy_gateway.config import parse_config

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "scenarios").rglob("*.md")]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFIG_WORDS = {"general_settings", "litellm_settings", "model_list", "default_vertex_config", "understudy_settings"}

BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, block in enumerate(YAML_BLOCK.findall(page.read_text("utf-8")), 1)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    missing = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("block", BLOCKS)
def test_every_yaml_example_is_what_it_claims_to_be(block, tmp_path):
    document = yaml.safe_load(block)
    if isinstance(document, dict) and "server" in document and "surface" in document:
        parse_scenario(document, id=document.get("id", "doc/example"), source="doc", file_reader=lambda name: b"\0\0")
    elif isinstance(document, dict) and CONFIG_WORDS & document.keys():
        key_file = tmp_path / "key.json"
        key_file.write_text("{}")
        environ = {name: f"sk-0123456789abcdef-{name}" for name in re.findall(r"os\.environ/(\w+)", block)}
        environ |= {name: str(key_file) for name in environ if name.endswith("CREDENTIALS")}
        parse_config(document, environ, source="doc")
    else:
        assert document is not None


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: which files are the project's cannot be told")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


REAL_LOOKING = re.compile(
    rb"AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{60}|-----BEGIN (?:RSA )?PRIVATE KEY-----\s+MII|sk-[0-9a-zA-Z]{40}"
)


def test_nothing_in_the_tree_looks_like_a_real_credential():
    found = [path for path in tracked() if path.is_file() and REAL_LOOKING.search(path.read_bytes())]
    assert found == []
