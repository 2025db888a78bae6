"""Does `make run` install what was chosen and nothing else? Versions, hashes, no drift."""

import re
import tomllib
from importlib.metadata import requires

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

LOCKS = ("requirements.lock", "requirements-build.lock")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def locked(name):
    """Return requirement by name, and its hashes."""
    found = {}
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", text(name)).strip())
    for entry in entries:
        written, *hashes = entry.replace("\\\n", "\n").split("\n")
        requirement = Requirement(written.strip())
        found[canonicalize_name(requirement.name)] = requirement, [h.strip() for h in hashes if h]
    return found


def chosen():
    lines = [line for line in text("constraints.txt").splitlines() if not line.startswith("#")]
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_the_hash_of_every_file(name):
    for package, (requirement, hashes) in locked(name).items():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), package
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes)


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_has_the_versions_of_the_constraints(name):
    versions = chosen()
    for package, (requirement, _) in locked(name).items():
        if requirement.marker is None:
            assert str(requirement.specifier) == f"=={versions[package]}", package


def test_the_lock_has_all_that_the_server_needs():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    packages, environment = locked("requirements.lock"), default_environment() | {"extra": ""}
    waiting, seen = [Requirement(each) for each in project["dependencies"]], set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name == "pip" or (name, *sorted(wanted.extras)) in seen:
            continue  # pip is there before anything else
        seen.add((name, *sorted(wanted.extras)))
        assert name in packages, f"{name} is missing: make requirements.lock again"
        version = str(packages[name][0].specifier).removeprefix("==")
        assert wanted.specifier.contains(version, prereleases=True), wanted
        for extra in ("", *wanted.extras):
            for line in requires(name) or ():
                more = Requirement(line)
                if more.marker is None or more.marker.evaluate(environment | {"extra": extra}):
                    waiting.append(more)


def test_make_run_installs_by_hash_only():
    recipe = text("Makefile").split("\n.venv/installed:")[1].split("\n\n")[0]
    installs = [line for line in recipe.replace("\\\n", "").splitlines() if "pip install" in line]
    assert installs
    for line in installs:
        assert "--require-hashes" in line or "--no-deps --no-build-isolation -e ." in line, line
