"""Finds and reads latency profiles: those shipped with the scenarios, by name, and a user's own, by file."""

from pathlib import Path

from .documents import read_document, scenarios_folder
from .errors import Problem, ScenarioError, did_you_mean
from .library import LATENCY
from .scenario.latency import Profile, latency_profile


def latency_names() -> tuple[str, ...]:
    """The names of the shipped latency profiles, sorted."""
    return tuple(sorted(path.stem for path in (scenarios_folder() / LATENCY).glob("*.yaml")))


def shipped_latency(name: str) -> Profile:
    """A shipped latency profile. Raises ScenarioError with the nearest name, or with the mistakes of the file."""
    known = latency_names()
    if name not in known:
        message = f"no latency profile has this name{did_you_mean(name[:200], known)}"
        raise ScenarioError([Problem(name[:200], None, "", message)])
    return _read(scenarios_folder() / LATENCY / f"{name}.yaml", name)


def latency(name_or_path: str) -> Profile:
    """A latency profile, by the name of a shipped one or by its file. Raises ScenarioError."""
    path = Path(name_or_path)
    is_file = name_or_path not in latency_names() and (path.suffix in (".yaml", ".yml") or path.is_file())
    return _read(path, path.stem) if is_file else shipped_latency(name_or_path)


def _read(path: Path, name: str) -> Profile:
    document, lines = read_document(path)
    return latency_profile(document, name=name, source=str(path), lines=lines)
