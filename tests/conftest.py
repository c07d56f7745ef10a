"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
