"""The toy benchmark: reproducible, in the published formats, and its objects are where it says."""

import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest

from groundvts.answers import grade_clips
from groundvts.data.convert import convert
from groundvts.data.moment import read_moments
from groundvts.data.video import FrameSampling, read_frames
from groundvts.errors import VideoReadError
from groundvts.toy import annotations
from groundvts.toy.benchmark import BROKEN, make_benchmark
from groundvts.toy.clips import CELLS, COLOURS, ODD_RATES, draw_clip, questions
from groundvts.toy.video import encode

CLIPS = {"pretrain": 3, "train": 4, "val": 2, "test": 3}
SAMPLING = FrameSampling(fps=2.0, min_pixels=784, max_pixels=3136)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    out = tmp_path_factory.mktemp("toy") / "benchmark"
    make_benchmark(out, CLIPS, seed=0, side=112, workers=2)
    return out


def test_the_same_seed_gives_the_same_files(benchmark, tmp_path):
    make_benchmark(tmp_path / "again", CLIPS, seed=0, side=112, workers=1)
    files = sorted(p.relative_to(benchmark) for p in benchmark.rglob("*") if p.is_file())
    assert len([f for f in files if f.suffix == ".mp4"]) == sum(CLIPS.values()) + 1
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (benchmark / file).read_bytes(), file


def test_another_seed_gives_other_clips():
    assert draw_clip("train0000", 0, True) != draw_clip("train0000", 1, True)


PUBLISHED = {
    ("charades_sta", "train"): "charades_sta/charades_sta_train.txt",
    ("charades_sta", "test"): "charades_sta/charades_sta_test.txt",
    ("activitynet_captions", "train"): "activitynet_captions/train.json",
    ("activitynet_captions", "test"): "activitynet_captions/test.json",
    ("qvhighlights", "train"): "qvhighlights/highlight_train_release.jsonl",
    ("qvhighlights", "val"): "qvhighlights/highlight_val_release.jsonl",
    ("qvhighlights", "test"): "qvhighlights/highlight_test_release.jsonl",
    ("nextgqa", "test"): "nextgqa/test.csv",
    ("llava_video", "train"): "llava_video/train.json",
}


@pytest.fixture(scope="module")
def converted(benchmark, tmp_path_factory):
    """Moments and counts of every annotation file, by benchmark and split."""
    found = {}
    for (name, split), file in PUBLISHED.items():
        out = tmp_path_factory.mktemp("converted")
        more = {}
        if name == "charades_sta":
            more["durations"] = benchmark / f"annotations/charades_sta/Charades_v1_{split}.csv"
        if name == "nextgqa":
            more["spans"] = benchmark / "annotations/nextgqa/gsub_test.json"
        videos = benchmark / "videos"
        content = convert(name, split, benchmark / "annotations" / file, out, videos=videos, **more)
        found[name, split] = read_moments(out / "moments.jsonl"), content["counts"]
    return found


def test_every_format_is_read_by_its_converter(converted):
    faults = {
        ("charades_sta", "train"): {"inverted": 1, "overlong": 1, "duplicate": 1},
        ("activitynet_captions", "train"): {"empty": 1},
    }
    for place, (moments, counts) in converted.items():
        assert moments, place
        assert counts["left_out"] == 0, place
        assert counts["findings"] == faults.get(place, {}), place


def test_formats_say_the_same_of_a_clip(converted, benchmark):
    objects = json.loads((benchmark / "objects.json").read_text())
    for place in (("charades_sta", "test"), ("activitynet_captions", "test")):
        for moment in converted[place][0]:
            shown = objects[moment.video][moment.query_normalised]
            assert moment.windows == (tuple(shown["window"]),)
    for moment in converted["nextgqa", "test"][0]:
        assert moment.answer in moment.options
        assert len(set(moment.options)) == 5
        windows = [tuple(shown["window"]) for shown in objects[moment.video].values()]
        assert moment.windows[0] in windows
    for moment in converted["llava_video", "train"][0]:
        assert moment.answer
        assert "<image>" not in moment.query


def test_highlights_cover_what_is_asked_for(converted, benchmark):
    objects = json.loads((benchmark / "objects.json").read_text())
    moments, _ = converted["qvhighlights", "val"]
    assert {moment.video for moment in moments} == {f"test{i:04d}" for i in range(3)} | {BROKEN}
    for moment in moments:
        meant = [
            shown["window"]
            for phrase, shown in objects[moment.video].items()
            if moment.query in phrase.split()
        ]
        for start, end in meant:
            assert any(s <= start and end <= e for s, e in moment.windows)
        clips = {k for start, end in moment.windows
                 for k in range(int(start) // 2, int(end + 1) // 2)}  # fmt: skip
        assert set(grade_clips(moment.saliency)) == clips
        assert all(len(grades) == 3 and set(grades) <= set(range(5)) for _, grades in
                   moment.saliency)  # fmt: skip
    assert all(m.saliency is None and not m.windows for m in converted["qvhighlights", "test"][0])
    many = [draw_clip(f"train{i:04d}", 0, True) for i in range(200)]
    lines = annotations.qvhighlights(many, 0, labels=True).splitlines()
    several = [len(json.loads(line)["relevant_windows"]) > 1 for line in lines]
    assert np.mean(several) > 0.1


def test_objects_are_seen_in_their_cells_at_their_times(benchmark, converted):
    objects = json.loads((benchmark / "objects.json").read_text())
    for moment in converted["charades_sta", "test"][0]:
        path = benchmark / "videos" / f"{moment.video}.mp4"
        if moment.video == BROKEN:
            with pytest.raises(VideoReadError, match=BROKEN):
                read_frames(path, SAMPLING)
            continue
        frames = read_frames(path, SAMPLING)
        assert frames.duration == pytest.approx(moment.duration, abs=0.05)
        (row, column), (start, end) = objects[moment.video][moment.query].values()
        assert_shown(frames, moment.query.split()[0], row, column, start, end)


def assert_shown(frames, colour: str, row: int, column: int, start: float, end: float):
    """The colour fills the cell's middle from start to end (s), and at no other time."""
    cells = frames.pixels.reshape(-1, 2, 28, 2, 28, 3)[:, row, 8:20, column, 8:20]
    distance = np.abs(cells - np.array(COLOURS[colour])).mean(axis=(1, 2, 3))
    seconds = np.arange(len(distance)) / 2
    visible = (seconds >= start) & (seconds < end)
    assert distance[visible].max() < 60
    assert distance[~visible].min() > distance[visible].max()


@pytest.mark.parametrize(
    "oddity",
    [
        *({"frame_rate": rate} for rate in ODD_RATES),
        *({"rotation": degrees} for degrees in (90, 180, 270)),
        {"sound": True},
        {"variable": True},
        {"variable": True, "frame_rate": ODD_RATES[0], "sound": True, "rotation": 90},
    ],
    ids=str,
)
@pytest.mark.parametrize("reader", ["decord", "av"])
def test_an_odd_file_shows_the_same_clip(tmp_path, oddity, reader):
    plain = {"frame_rate": Fraction(25), "rotation": 0, "sound": False, "variable": False}
    clip = dataclasses.replace(draw_clip("test0003", 0, True), **{**plain, **oddity})
    encode(clip, tmp_path, 112)
    frames = read_frames(tmp_path / "test0003.mp4", SAMPLING, reader)
    for shape in clip.shapes:
        assert_shown(frames, shape.colour, *shape.cell, shape.start, shape.end)


def test_some_files_are_odd():
    clips = [draw_clip(f"train{i:04d}", 0, True) for i in range(300)]
    for odd in ([c.rotation for c in clips], [c.sound for c in clips], [c.variable for c in clips],
                [c.frame_rate in ODD_RATES for c in clips]):  # fmt: skip
        assert 0.02 < np.mean(np.array(odd) > 0) < 0.12


def test_clutter_leaves_the_choice_to_the_query():
    clips = [draw_clip(f"test{i:04d}", 0, True) for i in range(100)]
    assert all(8 <= clip.duration <= 32 for clip in clips)
    assert {clip.duration for clip in clips} >= set(range(9, 20))
    assert all(sorted(s.cell for s in clip.shapes) == list(CELLS) for clip in clips)
    assert all(len({s.phrase for s in clip.shapes}) == 4 for clip in clips)
    overlapping = [
        any(a.start < b.end and b.start < a.end for a in clip.shapes for b in clip.shapes if a != b)
        for clip in clips
    ]
    assert np.mean(overlapping) > 0.9


def test_questions_have_one_right_answer():
    for number in range(60):
        clip = draw_clip(f"train{number:04d}", 0, number % 2 == 0)
        shown = {(s.colour, s.shape) for s in clip.shapes}
        for question, answer in questions(clip, 0):
            words = question.split()
            if words[-1] == "colour":
                assert {c for c, s in shown if s == words[0]} == {answer}
            elif words[-1] == "shape":
                assert {s for c, s in shown if c == words[0]} == {answer}
            elif words[-1] == "shown":
                assert ((words[0], words[1]) in shown) == (answer == "yes")
            elif question == "how many":
                assert answer == str(len(shown))
            else:
                assert answer == " then ".join(s.phrase for s in clip.shapes)
