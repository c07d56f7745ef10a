"""Killed at random moments, every step of the work goes on and ends as if nothing had happened."""

import os

import kills
import pytest

EACH = int(os.environ.get("GROUNDVTS_KILLS", "2"))


@pytest.mark.slow
def test_killed_anywhere_nothing_is_lost(tmp_path):
    """`GROUNDVTS_KILLS` kills in each of six steps: two in each, where it is not set."""
    happened = kills.main(tmp_path, EACH, seed=0, names=list(kills.STEPS))
    assert happened["kills"] == EACH * len(kills.STEPS)
    assert happened["runs to the end"] >= len(kills.STEPS)
    assert happened["that went on from what was there"] > 0
