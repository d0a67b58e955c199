"""An installed package has its modules, recipes and trained optimizers."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

# Older versions cannot read the project's licence.
pytest.importorskip("setuptools", minversion="77")

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("l2l_tf", "saved_optimizers")
ROOMS = runpy.run_path(str(ROOT / ".ci" / "rooms.py"))


def files(folder: Path) -> set[str]:
    """Returns the files in a folder, save those of Python's and Bazel's own."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.name != "BUILD"
    }


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution of a copy of the repository.

    A copy, because setuptools builds beside the sources, and because what an
    earlier build left there would find its way into a wheel.
    """
    copy = tmp_path_factory.mktemp("repository")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    dist = tmp_path_factory.mktemp("sdist")
    build = (
        f"from setuptools import build_meta as b; b.build_sdist({str(dist)!r})"
    )
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True)
    [archive] = dist.iterdir()
    return archive


def test_wheel_is_complete(sdist: Path, tmp_path: Path):
    # A wheel built from the source distribution shows both to be complete.
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    offline = ["--no-build-isolation", "--no-index", "--wheel-dir", tmp_path]
    subprocess.run([*pip, *offline, sdist], check=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packaged = {n for n in archive.namelist() if n.startswith("l2l_tf/")}
    modules = {f"l2l_tf/{file}" for file in files(ROOT / "l2l_tf")}
    optimizers = {
        f"l2l_tf/saved_optimizers/{file}"
        for file in files(ROOT / "saved_optimizers")
    }
    assert packaged == modules | optimizers
    for room in ROOMS["ORDER"]:
        assert f"l2l_tf/{room}/__init__.py" in packaged
