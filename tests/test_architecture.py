"""The import rules of ARCHITECTURE.md, read from the source with `ast`."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = {"understudy": ROOT / "src", "understudy_gateway": ROOT / "gateway", "understudy_simulator": ROOT / "simulator"}
ROOTS |= {"understudy_bench": ROOT / "benchmarks", "understudy_soak": ROOT / "soak"}

GROUND = (
    *(
        "errors",
        "messages",
        "secret",
        "surfaces",
        "sse",
        "rpc_status",
        "provider_errors",
        "redaction",
        "transcript_json",
        "har",
    ),
    *("usage", "pricing", "scenario", "provider_errors", "client_verdicts"),
)
"""Ground floor modules of `understudy`: pure, and all that the wings may use."""

SUITE_EDGES = (
    "books",
    "driver",
    "http_client",
    "live_client",
    "live_talk",
    "runner",
    "scopes",
    "spend_endpoint",
    "stands",
)
"""Modules of the suite that touch the world; all others of it are pure."""

LIVE_EDGES = ("casting", "disturbing", "handshakes", "connection", "session", "side")
"""Modules of the simulator's Live side that touch the world; all others of it are pure."""

PURE = (
    *(f"understudy.{name}" for name in GROUND),
    *(
        f"understudy.conformance.{path.stem}"
        for path in sorted((ROOT / "src/understudy/conformance").iterdir())
        if path.stem not in (*SUITE_EDGES, "__init__", "__pycache__")
    ),
    *(f"understudy_gateway.{name}" for name in ("routing", "headers", "frames", "choosing", "endpoints", "providers")),
    *(f"understudy_gateway.{name}" for name in ("live_routing", "model_names", "outgoing", "rewriting")),
    *(f"understudy_gateway.{name}" for name in ("setup_message", "upload_urls", "known_heads", "tokens")),
    *(f"understudy_gateway.{name}" for name in ("inflating", "cors", "failing", "cutting")),
    *(f"understudy_gateway.{name}" for name in ("features", "attempts", "fallbacks", "mocking", "streams")),
    *(f"understudy_gateway.guardrails.{name}" for name in ("values", "automaton", "patterns", "texts")),
    *(f"understudy_gateway.upstream.{name}" for name in ("exchanges", "framing", "connection", "pool")),
    *(f"understudy_simulator.{name}" for name in ("playback", "operations", "answers", "cues", "audio")),
    *(f"understudy_simulator.{name}" for name in ("draws", "tampering", "layers", "arms", "scripted", "single_reply")),
    *(
        f"understudy_simulator.live.{path.stem}"
        for path in sorted((ROOT / "simulator/understudy_simulator/live").iterdir())
        if path.stem not in (*LIVE_EDGES, "__init__", "__pycache__")
    ),
    *(f"understudy_bench.{name}" for name in ("payloads", "rows", "figures", "limits", "comparing", "tables")),
    *(f"understudy_soak.{name}" for name in ("plan", "ledger", "slopes", "canaries", "verdict")),
    *(f"understudy.load.{name}" for name in ("histogram", "seeded", "schedule", "statistics", "recording")),
    *(f"understudy.load.{name}" for name in ("limits", "verdict", "conversations", "plan", "report")),
)
IMPURE_IMPORTS = {"aiohttp", "asyncio", "socket", "ssl", "time", "random", "os", "logging", "pathlib", "threading"}
DOORS = ("understudy.cli", "understudy.pytest_plugin", "understudy.demo", "understudy.__main__")
ONLY_IN = {
    "google": ("understudy_gateway.google_tokens", "understudy._clients"),
    "yaml": ("understudy.documents", "understudy_gateway.config"),
    "locust": (),
    "pytest": ("understudy.pytest_plugin",),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package, root in ROOTS.items():
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(path.read_text("utf-8"))


def is_package(module: str) -> bool:
    root = ROOTS[module.split(".")[0]]
    return (root / Path(*module.split("."))).is_dir()


def imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Every module imported anywhere in `tree`, relative ones made absolute; `from a import b` gives `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package(module)]
                base = ".".join([*parts, base] if base else parts)
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def trees() -> dict[str, ast.Module]:
    """Every module; read when the first test wants them, for they are large."""
    return dict(modules())


@cache
def imported() -> dict[str, set[str]]:
    return {module: set(imports(module, tree)) for module, tree in trees().items()}


def inside(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def is_pure(module: str) -> bool:
    """Whether a module is named as pure above, or says so itself."""
    return inside(module, PURE) or "Pure." in (ast.get_docstring(trees()[module]) or "")


def top_level(module: str) -> set[str]:
    """What importing the module imports at once: imports outside functions."""
    tree = trees()[module]
    inner = {n for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node not in inner and isinstance(node, ast.Import | ast.ImportFrom):
            found |= set(imports(module, ast.Module([node], [])))
    return found


def called(module: str) -> set[str]:
    """The names of the functions and methods that a module calls."""
    calls = [node.func for node in ast.walk(trees()[module]) if isinstance(node, ast.Call)]
    return {f.id for f in calls if isinstance(f, ast.Name)} | {f.attr for f in calls if isinstance(f, ast.Attribute)}


def breaches(rule) -> list[str]:
    return [
        f"{module} imports {name}" for module in trees() for name in sorted(imported()[module]) if rule(module, name)
    ]


def test_the_wings_do_not_know_each_other():
    assert not breaches(lambda m, n: inside(m, ("understudy_simulator",)) and inside(n, ("understudy_gateway",)))
    assert not breaches(lambda m, n: inside(m, ("understudy_gateway",)) and inside(n, ("understudy_simulator",)))


def test_the_wings_use_only_the_ground_floor():
    ground = (*(f"understudy.{name}" for name in GROUND), "understudy.__version__")
    wings = ("understudy_simulator", "understudy_gateway")
    assert not breaches(lambda m, n: inside(m, wings) and inside(n, ("understudy",)) and not inside(n, ground))


def test_the_suite_imports_neither_server():
    servers = ("understudy_simulator", "understudy_gateway")
    assert not breaches(lambda m, n: inside(m, ("understudy.conformance",)) and inside(n, servers))


def test_pure_modules_import_nothing_that_touches_the_world():
    assert not breaches(lambda m, n: is_pure(m) and n.split(".")[0] in IMPURE_IMPORTS)


def test_pure_modules_open_no_file():
    touching = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "getenv"}
    pure = [module for module in trees() if is_pure(module)]
    assert len(pure) > 200
    assert [f"{module} calls {name}" for module in pure for name in sorted(called(module) & touching)] == []


def test_every_pure_module_named_exists():
    assert [name for name in PURE if not any(inside(module, (name,)) for module in trees())] == []


def test_only_doors_import_servers_and_only_inside_functions():
    servers = ("understudy_simulator", "understudy_gateway")
    assert not breaches(lambda m, n: inside(m, ("understudy",)) and not inside(m, DOORS) and inside(n, servers))
    at_once = [m for m in trees() if inside(m, DOORS) and any(inside(n, servers) for n in top_level(m))]
    assert not at_once


def test_nothing_imports_a_door():
    assert not breaches(lambda m, n: inside(n, DOORS) and not any(inside(m, (door,)) for door in DOORS))


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_stays_where_it_belongs(library):
    assert not breaches(lambda m, n: n.split(".")[0] == library and not inside(m, ONLY_IN[library]))


def test_inside_a_package_imports_are_relative():
    absolute = [
        f"{module} imports {name}"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.level == 0) or isinstance(node, ast.Import)
        for name in imports(module, ast.Module([node], []))
        if name.split(".")[0] == module.split(".")[0]
    ]
    assert not absolute


def test_there_are_no_circles():
    edges = {m: {owner(n) for n in imported()[m]} & trees().keys() - {m} for m in trees()}
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for following in sorted(edges[module]):
                walk(following, (*trail, module))
            done.add(module)

    for module in sorted(trees()):
        walk(module, ())


def owner(name: str) -> str:
    """The module that holds an imported name: itself if it is one, else the module before the last dot."""
    return name if name in trees() else name.rpartition(".")[0]


def test_modules_and_functions_stay_small():
    too_long = []
    for module, tree in trees().items():
        root = ROOTS[module.split(".")[0]]
        path = root / Path(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        lines = len(path.read_text("utf-8").splitlines())
        if lines > 450:
            too_long.append(f"{module}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 60:
                    too_long.append(f"{module}.{node.name}: {length} lines")
    assert not too_long


def test_every_module_says_what_it_is():
    assert [module for module, tree in trees().items() if not ast.get_docstring(tree)] == []
