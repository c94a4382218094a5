"""``make run`` from a fresh clone: it says what the machine lacks, and repairs an environment that does not work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import servers

# Stands for an interpreter: it has `ensurepip` or not, and makes environments in which everything succeeds.
PYTHON = """#!/bin/sh
case "$*" in
*ensurepip*) exit {ensurepip} ;;
*"venv --clear"*) rm -rf .venv; mkdir -p .venv/bin; touch .venv/pyvenv.cfg
    printf '#!/bin/sh\\nexit 0\\n' >.venv/bin/python; chmod +x .venv/bin/python ;;
*) exec {python} "$@" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "setup.cfg", "constraints.txt"):
        shutil.copy(servers.ROOT / name, tmp_path)
    return tmp_path


def _make(clone: Path, *, ensurepip: bool = True) -> subprocess.CompletedProcess[str]:
    python = clone / "python"
    python.write_text(PYTHON.format(ensurepip=int(not ensurepip), python=sys.executable))
    python.chmod(0o755)
    command = ["make", f"PYTHON={python}", ".venv/installed"]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_python_without_its_venv_package_is_named_with_the_remedy(clone: Path) -> None:
    ended = _make(clone, ensurepip=False)
    assert ended.returncode != 0
    assert "apt-get install python3-venv" in ended.stdout
    assert not (clone / ".venv").exists()


def _without_pip(clone: Path) -> None:
    """What ``python3 -m venv`` leaves on a Debian without python3-venv."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True)


def _python_gone(clone: Path) -> None:
    _without_pip(clone)
    python = clone / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")


@pytest.mark.parametrize("marked", [False, True], ids=["not yet installed", "installed before"])
@pytest.mark.parametrize("broken", [_without_pip, _python_gone])
def test_an_environment_that_does_not_work_is_made_anew(clone: Path, broken: object, marked: bool) -> None:
    assert callable(broken)
    broken(clone)
    if marked:
        (clone / ".venv/installed").touch()
    ended = _make(clone)
    assert ended.returncode == 0, ended.stderr
    assert (clone / ".venv/bin/python").read_text() == "#!/bin/sh\nexit 0\n"
    assert (clone / ".venv/installed").exists()


def test_a_folder_that_is_no_environment_is_left_alone(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv/thesis.txt").touch()
    ended = _make(clone)
    assert ended.returncode != 0
    assert "is not a virtual environment" in ended.stdout
    assert (clone / ".venv/thesis.txt").exists()
