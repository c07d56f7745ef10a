"""The toy benchmark: reproducible, in the published formats, and its objects are where it says."""

import json

import numpy as np
import pytest

from groundvts.data.charades_sta import read_charades_sta
from groundvts.data.conversations import Prompts, question_conversations
from groundvts.data.video import FrameSampling, read_frames
from groundvts.toy.benchmark import make_benchmark
from groundvts.toy.clips import CELLS, COLOURS, draw_clip, questions

CLIPS = {"pretrain": 3, "train": 4, "test": 3}
SAMPLING = FrameSampling(fps=2.0, min_pixels=784, max_pixels=3136)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    out = tmp_path_factory.mktemp("toy") / "benchmark"
    make_benchmark(out, CLIPS, seed=0, side=112, workers=2)
    return out


def test_the_same_seed_gives_the_same_files(benchmark, tmp_path):
    make_benchmark(tmp_path / "again", CLIPS, seed=0, side=112, workers=1)
    files = sorted(p.relative_to(benchmark) for p in benchmark.rglob("*") if p.is_file())
    assert len([f for f in files if f.suffix == ".mp4"]) == sum(CLIPS.values())
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (benchmark / file).read_bytes(), file


def test_another_seed_gives_other_clips():
    assert draw_clip("train0000", 0, True) != draw_clip("train0000", 1, True)


def test_annotations_are_read_by_the_published_formats_readers(benchmark):
    for split, count in CLIPS.items():
        moments, findings = read_charades_sta(
            benchmark / f"charades_sta_{split}.txt", benchmark / f"Charades_v1_{split}.csv", split
        )
        assert findings == []
        assert len({moment.video for moment in moments}) == count
        assert all(moment.video.startswith(split) for moment in moments)
    asked = question_conversations(benchmark / "llava_video_train.json", Prompts.load())
    assert {c.video for c in asked} == {f"train{i:04d}" for i in range(CLIPS["train"])}
    assert all(c.query == c.user and "<image>" not in c.user for c in asked)


def test_objects_are_seen_in_their_cells_at_their_times(benchmark):
    objects = json.loads((benchmark / "objects.json").read_text())
    moments, _ = read_charades_sta(
        benchmark / "charades_sta_test.txt", benchmark / "Charades_v1_test.csv", "test"
    )
    for moment in moments:
        frames = read_frames(benchmark / "videos" / f"{moment.video}.mp4", SAMPLING)
        assert frames.duration == pytest.approx(moment.duration, abs=0.05)
        (row, column), (start, end) = objects[moment.video][moment.query].values()
        assert moment.windows == ((start, end),)
        cells = frames.pixels.reshape(-1, 2, 28, 2, 28, 3)[:, row, 8:20, column, 8:20]
        colour = np.array(COLOURS[moment.query.split()[0]])
        distance = np.abs(cells - colour).mean(axis=(1, 2, 3))
        seconds = np.arange(len(distance)) / 2
        visible = (seconds >= start) & (seconds < end)
        before = (seconds < start) | (seconds >= end)
        assert distance[visible].max() < 60
        assert distance[before].min() > distance[visible].max()


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
