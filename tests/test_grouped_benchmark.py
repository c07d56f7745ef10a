"""The benchmark of grouped inference runs at its smallest, and asks the same in every way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clips import steady, write_clip

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "grouped_inference.py"
SMALL = ("--small", "--layers=1", "--tower-layers=1", "--pixels=3136", "--new-tokens=2")


def benchmark(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True)


@pytest.fixture
def videos(tmp_path):
    (tmp_path / "videos").mkdir()
    for number in range(2):
        write_clip(tmp_path / "videos" / f"{number}.mp4", steady(75 + 25 * number))
    return tmp_path / "videos"


def test_every_way_gives_the_same_answers(videos, tmp_path):
    out = tmp_path / "record.json"
    done = benchmark(f"--videos={videos}", f"--out={out}", *SMALL, "--repeats=1")
    assert done.returncode == 0, done.stderr
    assert "one at a time" in done.stdout
    made = json.loads(out.read_text())
    assert made["counts"] == {"videos": 2, "queries": 6}
    grouped, *others = made["modes"]
    assert grouped["grouped_is_faster"]["median"] == 1
    for mode in others:
        assert mode["same"] == 1
        assert mode["queries_per_second"]["median"] > 0
        assert mode["stage_seconds"]["tower"] > 0


def test_wrong_options_are_one_line(videos, tmp_path):
    failed = benchmark(f"--videos={videos}", f"--out={tmp_path}/x.json", "--repeats=0")
    assert (failed.returncode, failed.stderr) == (2, "--repeats: name a number from 1 on\n")
    (tmp_path / "empty").mkdir()
    failed = benchmark(f"--videos={tmp_path}/empty", f"--out={tmp_path}/x.json")
    assert failed.returncode == 2
    assert "holds no videos" in failed.stderr
