"""The benchmark of grouped inference runs at its smallest, and asks the same in every way."""

import json
import sys

import pytest
from clips import steady, write_clip
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import grouped_inference

SMALL = ("--small", "--layers=1", "--tower-layers=1", "--pixels=3136", "--new-tokens=2")


@pytest.fixture
def benchmark(monkeypatch):
    """Runs the script with options."""

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", [grouped_inference.__file__, *words])
        return grouped_inference.main()

    return run


@pytest.fixture
def videos(tmp_path):
    (tmp_path / "videos").mkdir()
    for number in range(2):
        write_clip(tmp_path / "videos" / f"{number}.mp4", steady(75 + 25 * number))
    return tmp_path / "videos"


def test_every_way_gives_the_same_answers(videos, tmp_path, benchmark, capsys):
    out = tmp_path / "record.json"
    assert benchmark(f"--videos={videos}", f"--out={out}", *SMALL, "--repeats=1") == 0
    assert "one at a time" in capsys.readouterr().out
    made = json.loads(out.read_text())
    assert made["counts"] == {"videos": 2, "queries": 6}
    grouped, *others = made["modes"]
    assert grouped["grouped_is_faster"]["median"] == 1
    for mode in others:
        assert mode["same"] == 1
        assert mode["queries_per_second"]["median"] > 0
        assert mode["stage_seconds"]["tower"] > 0


def test_wrong_options_are_one_line(videos, tmp_path, benchmark, capsys):
    assert benchmark(f"--videos={videos}", f"--out={tmp_path}/x.json", "--repeats=0") == 2
    assert capsys.readouterr().err == "--repeats: name a number from 1 on\n"
    (tmp_path / "empty").mkdir()
    assert benchmark(f"--videos={tmp_path}/empty", f"--out={tmp_path}/x.json") == 2
    assert "holds no videos" in capsys.readouterr().err
