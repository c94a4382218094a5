"""The house rules that a machine can check: the direction of imports, and that the wheel is the whole package."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

import servers

ROOT = servers.ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """The names of the files in a wheel built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    copy.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("src", "templates", "migrations"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".*"))
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    [path] = folder.glob("rollcall-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def files(folder: Path) -> set[Path]:
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in path.parts[len(folder.parts) :])
    }


def test_imports_point_one_way():
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout


def test_wheel_has_every_file_of_the_package(wheel):
    source = ROOT / "src" / "rollcall"
    assert {f"rollcall/{path}" for path in files(source)} <= wheel


@pytest.mark.parametrize("folder", ["templates", "migrations"])
def test_wheel_has_the_folders_of_the_top_level(wheel, folder):
    wanted = {f"rollcall/{folder}/{path}" for path in files(ROOT / folder)}
    assert wanted
    assert wanted <= wheel


def test_wheel_has_the_files_of_the_pages(wheel):
    assert {"rollcall/web/static/swagger-ui/swagger-ui-bundle.js", "rollcall/templates/docs.html", "rollcall/py.typed"} <= wheel


def test_wheel_has_nothing_else(wheel):
    assert {name.split("/")[0] for name in wheel if not name.startswith("rollcall-")} == {"rollcall"}
    assert not [name for name in wheel if "test" in name or name.endswith((".pyc", ".map"))]


def test_pyproject_says_how_to_build_and_nothing_else():
    assert set(tomllib.loads((ROOT / "pyproject.toml").read_text())) == {"build-system"}


def test_every_folder_with_modules_is_a_listed_package():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    source = ROOT / "src"
    found = {".".join(path.parent.relative_to(source).parts) for path in (source / "rollcall").rglob("*.py")}
    assert found <= listed


def test_every_module_says_why_it_exists_and_stays_short():
    for folder in ("src", "tests", "migrations"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            assert ast.get_docstring(ast.parse(text)), path
            assert len(text.splitlines()) <= (500 if folder == "tests" else 300), path


def test_nothing_is_faked_but_time():
    fakes = [path for path in (ROOT / "tests").rglob("*.py") if "unittest" + ".mock" in path.read_text()]
    assert fakes == []


def test_edges_open_the_unit_of_work_that_tells_where_its_events_come_from():
    for path in [*(ROOT / "src/rollcall/api").rglob("*.py"), *(ROOT / "src/rollcall/web").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "rollcall.infra.database":
                assert "transaction" not in {name.name for name in node.names}, path
