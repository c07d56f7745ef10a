"""Clips made for what is hard, and who is asked about them."""

import copy
from collections import Counter

import numpy as np
import pytest
import yaml
from dag import ROOT

from groundvts.config import checked
from groundvts.data.entry import Entry
from groundvts.data.own import read_own
from groundvts.errors import BadInput
from groundvts.runs import runs
from groundvts.toy.cases import CASES, LONGEST, draw_case, make_cases, queries
from groundvts.toy.clips import render

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
TOY = yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize("case", CASES)
def test_a_clip_is_the_same_again_and_no_longer_than_the_longest(case):
    clip = draw_case(case, 3, seed=0)
    assert clip == draw_case(case, 3, seed=0)
    assert clip != draw_case(case, 4, seed=0)
    assert all(0 <= s.start < s.end <= clip.duration <= LONGEST for s in clip.shapes)
    assert len({shape.cell for shape in clip.shapes}) == len(clip.shapes)
    assert len({moment["query"] for moment in queries(clip)}) == len(clip.shapes)


def test_look_alikes_share_both_words():
    for number in range(9):
        words = [s.phrase.split() for s in draw_case("similar", number, 0).shapes]
        counts = Counter(word for phrase in words for word in phrase)
        assert list(counts.values()) == [2, 2, 2, 2]


def test_events_of_still_scenes_are_long_and_long_clips_are_long():
    still = [draw_case("static", number, 0) for number in range(9)]
    assert all(8 <= s.end - s.start <= 12 for clip in still for s in clip.shapes)
    assert all(draw_case("long", number, 0).duration >= 30 for number in range(9))


def test_a_moving_camera_changes_every_second_and_a_still_one_where_shapes_do():
    moving = draw_case("camera", 0, 0)
    pictures = render(moving, 56)
    assert [second for second, _ in pictures] == list(range(moving.duration))
    still = draw_case("long", 0, 0)
    changes = {0, *(s.start for s in still.shapes), *(s.end for s in still.shapes)}
    found = render(still, 56)
    assert {second for second, _ in found} == {c for c in changes if c < still.duration}
    background = np.ones((56, 56), dtype=bool)
    for shape in moving.shapes:
        if shape.start <= 1:
            row, column = shape.cell
            background[28 * row : 28 * row + 28, 28 * column : 28 * column + 28] = False
    (_, first), (_, second) = pictures[:2]
    assert (first != second)[background].mean() > 0.5


def test_files_are_read_as_a_benchmark_of_ones_own(tmp_path):
    counts = make_cases(tmp_path, 2, seed=0, side=56, workers=1)
    assert set(counts) == set(CASES)
    for case, count in counts.items():
        entries = list(read_own(tmp_path / f"{case}.jsonl"))
        assert count["clips"] == 2
        assert len(entries) == count["queries"] >= 4
        assert all(isinstance(one, Entry) and not one.notes for one in entries)
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == 2 * len(CASES)


def asked(**reducers) -> dict:
    config = copy.deepcopy(TOY)
    config["reducers"] |= reducers
    return checked(config, SCHEMA)


def test_each_is_asked_at_each_ratio_and_trained_at_one():
    config = asked(ratios=[0.125, 0.25])
    found = {run.name: run for run in runs(config)}
    own, few = found["temporal-0.25-s1"], found["temporal-0.25-asked-0.125-s1"]
    assert own.trains
    assert not own.main
    assert (few.model, few.vts) == (own.name, own.vts | {"ratio": 0.125})
    assert "temporal-0.25-asked-0.25-s0" not in found
    assert found["free-cosine-asked-0.125-s0"].model == "free-cosine-s0"
    assert found["free-cosine-s0"].stages == ()
    assert "vts-0.25-asked-0.125-s3" not in found  # three seeds of its five
    assert found["attention-0.25-s0"].vts["prune_after"] == 1
    assert "prune_after" not in found["vts-0.25-s0"].vts


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"variants": ["vts-0.25", "no"]}, "reducers.variants: no variant 'no'"),
        ({"benchmarks": ["charades_sta", "no"]}, "reducers.benchmarks: no benchmark 'no'"),
        ({"cases": ["llava_video", "no"]}, "reducers.cases: no benchmark 'no'"),
        ({"ratios": [0]}, "reducers.ratios.0"),
        ({"ratios": [0.5]}, "reducers.ratios: 0.25 is that of 'vts-0.25'"),
        ({"variants": ["vts-0.25", "base-1fps"]}, "reducers.variants: 'base-1fps' asks another's"),
        ({"benchmarks": ["nextgqa"]}, "reducers.benchmarks: the report is about charades_sta"),
    ],
)
def test_what_there_is_not_is_named(change, named):
    with pytest.raises(BadInput, match=f"config: {named}"):
        asked(**change)


def test_the_main_job_does_not_audit_the_cases():
    config = checked(TOY, SCHEMA)
    cases = [name for name, one in config["benchmarks"].items() if not one["main"]]
    assert cases == config["reducers"]["cases"]
    assert not set(cases) & set(config["evaluate"])
