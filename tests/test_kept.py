"""Where kept tokens lie: counted by hand on small grids, drawn, and said in words."""

import json

import numpy as np
import pytest
from synthetic_records import STAGES, write_results

from groundvts.data.moment import Moment
from groundvts.records import read_record, write_json
from groundvts.report import kept_words
from groundvts.report.choice import BEFORE, by_stage, predicted
from groundvts.report.kept import (
    INSIDE,
    RELATIVE,
    aligned,
    around,
    cells,
    compared,
    inside,
    mean_interval,
    per_step,
)
from groundvts.report.kept_figures import (
    density_around_windows,
    density_of_queries,
    kept_in_the_frame,
)
from groundvts.report.kept_words import conclusions, runs_table, shown, stages_table
from groundvts.report.runs import load_runs
from groundvts.report.stage_strips import draw_stages
from groundvts.report.strips import begins_within

RUN = "vts-0.25-s0"
# 4 grid steps of 1 s, 2x2 tokens each: dense index = 4 * step + 2 * row + column.
OBJECTS = {"v": {"red ball": {"cell": [0, 1], "window": [1.0, 3.0]}}}


class Few:
    """Choices of one or more queries on one clip; `given`: kept tokens of each."""

    def __init__(self, *given: list[int], windows=((1.0, 3.0),), answers=((0.0, 2.0),)) -> None:
        line = {"grid": [4, 2, 2], "second_per_grid": 1.0, "windows": answers}
        moment = Moment("m", "charades_sta", "test", "v", 4.0, "red ball", windows, 1)
        self.pairs = [(moment, line | {"kept": kept}) for kept in given]
        self.videos = ["v"] * len(given)


def test_steps_begin_inside_windows():
    found = begins_within(5, 0.5, ((0.5, 1.5), (2.0, 9.0)))
    assert found.tolist() == [False, True, True, False, True]
    assert not begins_within(3, 1.0, ()).any()


def test_density_is_relative_to_the_mean_of_the_clip():
    assert per_step(Few([4, 5, 8, 12]).pairs[0][1]).tolist() == [0, 2, 1, 1]


def test_clips_are_shifted_and_stretched_to_the_window():
    rows, videos = aligned(Few([4, 5, 8, 12]))  # the window is steps 1 and 2
    assert rows.shape == (1, len(RELATIVE))
    assert videos == ["v"]
    assert rows[0, INSIDE].tolist() == [2.0] * 12 + [1.0] * 12
    assert (rows[0, (RELATIVE > -0.5) & (RELATIVE < 0)] == 0).all()
    assert np.isnan(rows[0, RELATIVE < -0.5]).all()  # before the clip
    assert np.isnan(rows[0, RELATIVE > 1.5]).all()  # after it
    assert inside(Few([4, 5, 8, 12]))[0] == pytest.approx(1.5)
    assert inside(Few([4, 5, 8, 12]), answers=True)[0] == pytest.approx(1.0)  # steps 0 and 1


@pytest.mark.parametrize("answers", [None, (), ((2.0, 2.0),), ((3.0, 1.0),)])
def test_a_query_without_an_answer_does_not_count(answers):
    few = Few([4], answers=answers)
    assert aligned(few, answers=True)[0].shape == (0, len(RELATIVE))
    assert np.isnan(inside(few, answers=True)).all()


def test_intervals_draw_videos_together():
    values = np.array([[0.0, np.nan], [0.0, np.nan], [1.0, 3.0], [1.0, np.nan]])
    value, low, high = mean_interval(values, ["a", "a", "b", "b"])
    assert value.tolist() == [0.5, 3.0]
    assert (low[0], high[0]) == (0.0, 1.0)
    assert (low[1], high[1]) == (3.0, 3.0)
    same = mean_interval(values[:, :1], list("abcd"))
    assert same[2, 0] - same[1, 0] <= 1.0


def test_shares_by_place():
    shares, count = cells(Few([5, 9], [1, 2]))
    assert count == 2
    assert shares.tolist() == [[0, 37.5], [12.5, 0]]
    during, rest = around(Few([5, 9, 2]), OBJECTS)
    assert during[1, 1] == 100  # its cell, while it is there
    assert rest[1, 1] == 0
    assert rest[2, 0] == 50  # below and left of it: token 2 of step 0
    assert np.isnan(during[0]).all()  # above it is no frame


# ---- on a results folder


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Made-up results, with the choices of one run after each stage and, before, none."""
    folder = write_results(tmp_path_factory.mktemp("toy"))
    lines = (folder / f"predictions/{RUN}/charades_sta.jsonl").read_text()
    for stage in STAGES:
        place = folder / "stages" / RUN / stage
        (place / "selection.jsonl").write_text(lines)
        record = read_record(place / "record.json")
        probe = {"path": "results/toy/data/charades_sta/test/moments.jsonl", "sha256": "0"}
        write_json(place / "record.json", record | {"inputs": {"probe": probe}})
    return folder


def stages_of(results):
    return by_stage(results, next(run for run in load_runs(results) if run.name == RUN))


def beside(results):
    found = compared(results, RUN, "charades_sta")
    return {sampler: predicted(results, name) for sampler, name in found.items()}


def test_rivals_share_ratio_and_seed(results):
    assert compared(results, RUN, "charades_sta") == {
        "vts": RUN, "random": "random-0.25-s0", "uniform": "uniform-0.25-s0"}  # fmt: skip
    assert compared(results, "vts-0.5-s0", "charades_sta")["random"] == "random-0.5-s0"


def test_what_is_not_recorded_is_told(results, tmp_path):
    stages = stages_of(results)
    names = [BEFORE, "after 1 warm-up", "after 2 joint", "after 3 grounding"]
    assert list(stages) == names
    assert stages[BEFORE] is None
    clips = {name: one and one.timeline(0) for name, one in stages.items()}
    assert draw_stages(clips, tmp_path / "a", "a title").with_suffix(".pdf").is_file()
    assert draw_stages({}, tmp_path / "b", "nothing").is_file()
    table = stages_table(stages)
    assert table.When.tolist() == names
    assert shown(table).iloc[0, 2] == "–"
    said = "\n".join(conclusions(stages, {"vts": predicted(results, RUN)}, None))
    assert "neither surely more nor less of them there: +0.0 points" in said
    assert f"({BEFORE}: not recorded; from after 1 warm-up)" in said
    assert "object" not in said
    assert len(stages_table({})) == 0
    assert "not recorded" in conclusions({}, {"vts": predicted(results, RUN)}, None)[0]


def test_before_training_is_read_where_it_is_recorded(results, tmp_path):
    place = results / "stages" / RUN / "warmup"
    lines = map(json.loads, (place / "selection.jsonl").read_text().splitlines())
    text = "\n".join(json.dumps(line | {"kept": [0, 1, 2, 3]}) for line in lines)
    (place / "selection_before.jsonl").write_text(text)
    try:
        stages = stages_of(results)
        said = "\n".join(conclusions(stages, {"vts": predicted(results, RUN)}, None))
    finally:
        (place / "selection_before.jsonl").unlink()
    assert stages[BEFORE].pairs[0][1]["kept"] == [0, 1, 2, 3]
    assert "Training puts more of them there" in said
    assert "Already before" not in said


def test_words_follow_the_numbers(results):
    runs = {
        s: predicted(results, name) for s, name in compared(results, RUN, "charades_sta").items()
    }
    assert runs_table(runs, None)[kept_words.TRUE].iloc[0] > 1
    said = "\n".join(conclusions({}, {"random": Few([0, 1]), "vts": Few([4, 8])}, OBJECTS))
    assert "random drop keeps do NOT" in said.replace("The tokens that ", "")
    assert "GroundVTS keeps 0 % of the queried object's tokens while it is there" in said
    assert "unevenly" in said


def test_figures_are_drawn_whatever_there_is(results, tmp_path):
    runs = {
        s: predicted(results, name) for s, name in compared(results, RUN, "charades_sta").items()
    }
    ours = runs["vts"]
    drawn = [
        density_of_queries(ours, [0, 3], ["one", "other"], tmp_path / "a"),
        density_around_windows(runs, tmp_path / "b"),
        density_around_windows({"vts": Few([4], answers=None)}, tmp_path / "c"),
        kept_in_the_frame(runs, None, tmp_path / "d"),
        kept_in_the_frame({"vts": Few([5, 9])}, OBJECTS, tmp_path / "e"),
    ]
    assert all(path.is_file() and path.with_suffix(".pdf").is_file() for path in drawn)
