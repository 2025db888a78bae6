"""Who may import whom: distill ← indexer ← faq_app, no cycles, and no torch in the server."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("distill", "indexer", "faq_app")  # each may import itself and those before it
TRAINING = {"torch", "transformers", "onnx"}
TRAINING_MODULES = {
    f"distill/{name}.py"
    for name in (
        "dataset",
        "noise",
        "teacher",
        "processes",
        "student",
        "widen",
        "losses",
        "train",
        "finetune",
        "classifier_finetune",
        "sentence_transformer",
        "export",
        "graph",
        "speed",
        "compressors/task_model",
        "compressors/small",
        "compressors/transformer",
        "compressors/objectives",
        "compressors/training",
        "compressors/compress",
    )
}
SQL_MODULES = {
    "indexer/store.py",
    "indexer/database_file.py",
    "indexer/backup.py",
    "indexer/repair.py",
    "indexer/migrations.py",
    "indexer/revisions.py",
    "indexer/draft.py",
    "indexer/regression.py",
    "indexer/unanswered.py",
    "indexer/statistics.py",
    "indexer/query_log.py",
    "faq_app/accounts.py",
    "faq_app/accounts_migrations.py",
    "faq_app/keys.py",
    "faq_app/lockout.py",
}


def imports(source: str, *, toplevel_only: bool = False) -> set[str]:
    """Return the modules that this source imports."""
    tree = ast.parse(source)
    found = set()
    for node in tree.body if toplevel_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def upward(package: str, source: str) -> set[str]:
    """Return the imports of packages that stand above ``package``."""
    above = PACKAGES[PACKAGES.index(package) + 1 :]
    return {name for name in imports(source) if name.split(".")[0] in above}


def training(place: str, source: str) -> set[str]:
    """Return the training libraries that this module imports though it must not."""
    if place in TRAINING_MODULES:
        return set()
    heavy = {name for name in imports(source) if name.split(".")[0] in TRAINING}
    return heavy


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return a chain of modules that import one another in a ring; empty if there is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for other in sorted(graph.get(module, ())):
            if ring := visit(other, [*path, module]):
                return ring
        done.add(module)
        return []

    for module in sorted(graph):
        if ring := visit(module, []):
            return ring
    return []


SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def test_there_is_something_to_check():
    assert {place.split("/")[0] for place in SOURCES} == set(PACKAGES)


@pytest.mark.parametrize("place", SOURCES)
def test_imports_point_one_way(place):
    assert upward(place.split("/")[0], SOURCES[place]) == set()


@pytest.mark.parametrize("place", SOURCES)
def test_only_the_training_half_imports_training_libraries(place):
    assert training(place, SOURCES[place]) == set()


def test_no_modules_import_one_another_in_a_ring():
    names = {place.removesuffix(".py").replace("/", "."): place for place in SOURCES}
    graph = {
        name: imports(SOURCES[place], toplevel_only=True) & set(names)
        for name, place in names.items()
    }
    assert cycle(graph) == []


def test_sql_is_written_in_the_store_only():
    for place, source in SOURCES.items():
        if place not in SQL_MODULES:
            strings = [n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)]
            for text in filter(lambda s: isinstance(s, str), strings):
                assert not text.lstrip().lower().startswith(("select ", "insert ", "update ")), (
                    place
                )


def test_the_checks_see_what_they_look_for():
    """Seeded violations: a check that cannot fail checks nothing."""
    assert upward("distill", "from indexer.store import Store") == {
        "indexer.store",
        "indexer.store.Store",
    }
    assert training("indexer/search.py", "def f():\n    import torch") == {"torch"}
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_server_never_loads_torch():
    code = (
        "import faq_app.server, sys;"
        f"loaded = {TRAINING!r} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_help_does_not_wait_for_torch():
    code = "import distill.cli, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("command", [["check", "."], ["format", "--check", "."]])
def test_the_code_is_linted(command):
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_file_is_called_after_nothing():
    names = {Path(place).stem for place in SOURCES}
    assert not names & {"utils", "helpers", "common", "manager", "core", "misc"}
