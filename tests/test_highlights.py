"""Highlight detection: by hand, against a literal definition, and the official scores."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.highlights import average_precision, highlight_scores
from groundvts.metrics.moments import means

LEVELS = ("Fair", "Good", "VeryGood")


def graded(*grades: tuple[int, ...], duration: float | None = 8.0, first: int = 0) -> Moment:
    saliency = tuple(enumerate(grades, first))
    return Moment("q7", "qvhighlights", "val", "v", duration, "a query", (), saliency=saliency)


def scored(moment, scores):
    found = highlight_scores([moment], [scores])
    return {name: value[0] for name, value in found.items()}


@pytest.mark.parametrize(
    ("scores", "positive", "ap"),
    [
        pytest.param([4, 3, 2, 1], [1, 1, 0, 0], 1, id="perfect"),
        pytest.param([1, 2, 3, 4], [1, 0, 0, 0], 1 / 4, id="last"),
        pytest.param([4, 3, 2, 1], [0, 1, 1, 0], 2 / 3, id="interpolated"),
        pytest.param([4, 3, 2, 1], [1, 0, 1, 0], (1 + 2 / 3) / 2, id="two steps"),
        pytest.param([0, 0, 0, 0], [0, 1, 0, 0], 1 / 4, id="all tied"),
        pytest.param([5, 1, 1, 1], [1, 1, 1, 0], (1 + 3 / 4) / 2, id="a tie is one step"),
        pytest.param([1, 2, 3, 4], [0, 0, 0, 0], 0, id="no positive"),
        pytest.param([1, 2, 3, 4], [1, 1, 1, 1], 1, id="all positive"),
    ],
)
def test_average_precision_by_hand(scores, positive, ap):
    column = np.array(positive, bool)[:, None]
    assert average_precision(np.array(scores, float), column) == pytest.approx([ap])


def literal_precision(scores, positive):
    """AP by its definition: one threshold after the other, over recall from high to low."""
    points = []
    for threshold in sorted(set(scores), reverse=True):
        taken = [hit for score, hit in zip(scores, positive, strict=True) if score >= threshold]
        points.append((sum(taken), sum(taken) / len(taken)))
    recalls = sorted({found for found, _ in points if found})
    best = [max(p for found, p in points if found >= recall) for recall in recalls]
    return sum(best) / len(best) if best else 0.0


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=20))
def test_average_precision_is_the_literal_definition(clips):
    scores, positive = zip(*clips, strict=True)
    found = average_precision(np.array(scores, float), np.array(positive)[:, None])
    assert found == pytest.approx([literal_precision(scores, positive)])


@given(st.lists(st.sampled_from([0, 2, 3, 4]), min_size=1, max_size=12))
def test_the_grades_themselves_are_perfect_where_any_is_positive(grades):
    found = scored(graded(*((grade,) for grade in grades), duration=2.0 * len(grades)), grades)
    for level, lowest in zip(LEVELS, (2, 3, 4), strict=True):
        expected = 100 * (max(grades) >= lowest)
        assert found[f"HD-mAP-{level}"] == pytest.approx(expected)
        assert found[f"HD-Hit@1-{level}"] == expected == found[f"HD-Hit@1-lenient-{level}"]


def test_a_rater_without_a_positive_clip_is_not_skipped():
    found = scored(graded((4, 4, 1), (0, 4, 0)), [9, 5, 1, 0])
    assert found["HD-mAP-Fair"] == pytest.approx(200 / 3)
    assert found["HD-mAP-VeryGood"] == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("scores", "hit", "lenient"),
    [
        pytest.param([0, 0, 5, 1], 100, 100, id="argmax is positive"),
        pytest.param([5, 0, 5, 0], 0, 100, id="the first of two tied clips is not"),
        pytest.param([3, 3, 3, 3], 0, 100, id="constant"),
        pytest.param([0, 0, 0, 0], 0, 0, id="all zero"),
        pytest.param([-1, -2, -0.5, -3], 100, 100, id="negative scores"),
        pytest.param([0, 0, 1, 0, 9], 0, 0, id="beyond the video"),
        pytest.param([0, 0, 9], 100, 100, id="short list"),
        pytest.param([], 0, 0, id="empty"),
        pytest.param(None, 0, 0, id="failed"),
    ],
)
def test_hit_by_hand(scores, hit, lenient):
    found = scored(graded((1, 3, 1), first=2), scores)
    assert (found["HD-Hit@1-Good"], found["HD-Hit@1-lenient-Good"]) == (hit, lenient)
    assert (found["HD-Hit@1-VeryGood"], found["HD-Hit@1-lenient-VeryGood"]) == (0, 0)


def test_clips_not_listed_score_zero_and_clips_beyond_are_ignored():
    moment = graded((4,), first=2)
    assert scored(moment, [1])["HD-mAP-Good"] == pytest.approx(100 / 4)
    assert scored(moment, [-1, -1])["HD-mAP-Good"] == pytest.approx(100 / 2)
    assert scored(moment, [0, 0, 1, 0, 7, 7])["HD-mAP-Good"] == 100
    assert scored(moment, None)["HD-mAP-Good"] == 0


def test_the_last_part_of_a_clip_counts_if_it_is_graded():
    assert scored(graded((4,), duration=7.9, first=3), [0, 0, 0, 1])["HD-mAP-Good"] == 100
    assert scored(graded((4,), duration=7.9), [1, 0, 0, 2])["HD-mAP-Good"] == 100
    assert scored(graded((4,), duration=1.5), [1])["HD-mAP-Good"] == 100
    assert scored(graded(duration=1.5), [1])["HD-mAP-Good"] == 0


def test_queries_without_grades_do_not_count():
    plain = replace(graded((4,)), saliency=None)
    nothing = replace(graded((4,)), saliency=())
    found = highlight_scores([plain, graded((4,)), nothing], [[1], [1], [1]])
    np.testing.assert_array_equal(found["HD-mAP-Fair"], [np.nan, 100, 0])
    assert highlight_scores([plain], [[1]]) == {}


@pytest.mark.parametrize(
    ("moment", "wrong"),
    [
        (graded((4,), duration=None), "no duration"),
        (graded((4, 4), (4,)), "unequal numbers of grades"),
        (graded((), ()), "unequal numbers of grades"),
        (graded((4,), first=-1), "below 0"),
        (replace(graded((4,)), saliency=((1, (4,)), (1, (2,)))), "a clip twice"),
    ],
)
def test_grades_that_cannot_be_right_are_refused_by_name(moment, wrong):
    with pytest.raises(BadInput, match=f"q7: .*{wrong}") as error:
        highlight_scores([moment], [[1, 2]])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("absurd", [graded((4,), duration=3e9), graded((4,), first=10**15)])
def test_a_video_that_is_longer_than_any_scores_zero(absurd):
    found = highlight_scores([absurd, graded((4,))], [[1, 2], [1]])
    np.testing.assert_array_equal(found["HD-mAP-Fair"], [0, 100])


@pytest.fixture(scope="module")
def annotated(reference_data):
    path = reference_data / "annotations" / "qvhighlights" / "highlight_val_release.jsonl"
    return [_moment(json.loads(line)) for line in path.read_text().splitlines()]


def _moment(record):
    saliency = zip(record["relevant_clip_ids"], map(tuple, record["saliency_scores"]), strict=True)
    return Moment(
        str(record["qid"]),
        "qvhighlights",
        "val",
        record["vid"],
        record["duration"],
        record["query"],
        (),
        saliency=tuple(saliency),
    )


def test_official_scores_of_a_real_submission(reference_data, annotated):
    folder = reference_data / "predictions" / "moment_detr"
    official = json.loads((folder / "sample_val_preds_metrics_raw.json").read_text())
    lines = map(json.loads, (folder / "sample_val_preds.jsonl").read_text().splitlines())
    given = {str(record["qid"]): record["pred_saliency_scores"] for record in lines}
    values = means(highlight_scores(annotated, [given[moment.id] for moment in annotated]))
    for level in LEVELS:
        ours = {
            "HL-mAP": round(values[f"HD-mAP-{level}"], 2),
            "HL-Hit1": round(values[f"HD-Hit@1-{level}"], 2),
        }
        assert ours == official[f"HL-min-{level}"]
        for name, value in ours.items():
            assert official["brief"][f"HL-min-{level}-{name[3:]}"] == value


@pytest.mark.parametrize(
    ("constant", "kind", "expected"),
    [
        (0, "mAP", [24.78, 19.45, 11.04]),
        (0, "Hit@1-lenient", [0, 0, 0]),
        (3, "mAP", [24.78, 19.45, 11.04]),
        (3, "Hit@1", [21.10, 19.74, 14.97]),
        (3, "Hit@1-lenient", [100, 99.94, 97.74]),
    ],
)
def test_what_a_constant_scores_on_real_annotations(annotated, constant, kind, expected):
    values = means(highlight_scores(annotated, [[constant] * 75] * len(annotated)))
    assert [round(values[f"HD-{kind}-{level}"], 2) for level in LEVELS] == expected
