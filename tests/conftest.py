"""Fixtures shared by all tests."""

import os
import shutil
from pathlib import Path

import pytest
from dag import run_tiny, tiny_config

ROOT = Path(__file__).resolve().parents[1]
TINY = ("test_dag.py", "test_interactive.py", "test_partial_reruns.py")  # that share a tiny project


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder with published annotations, predictions and videos; absent: skip (in CI: fail)."""
    named = os.environ.get("GROUNDVTS_REFERENCE_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    reason = f"reference data absent: {folder} (name its folder in GROUNDVTS_REFERENCE_DATA)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file's tests run on one worker, and all files that ask for the tiny project on the same.

    They begin in the order of names: by their number, as is the rule, the tiny project comes last.
    """
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False

    class ByProject(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return TINY[0] if Path(file).name in TINY else file

    return ByProject(config, log)


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory) -> Path:
    """A copy of the project in which the tiny DAG has run; asked for by the files `TINY`."""
    folder = tmp_path_factory.mktemp("tiny")
    return run_tiny(folder, tiny_config(), "all", "data", "cards", "report")


@pytest.fixture(scope="module")
def work(tiny_project, tmp_path_factory) -> Path:
    """The finished tiny project, for a file's tests to change."""
    folder = tmp_path_factory.mktemp("work") / "project"
    return Path(shutil.copytree(tiny_project, folder, symlinks=True))
