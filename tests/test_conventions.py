"""What each scoring convention alone moves."""

from dataclasses import replace

import numpy as np
import pytest
from test_official_answers import TABLE

from groundvts.data.moment import Moment
from groundvts.data.truth import read_truth
from groundvts.metrics.conventions import convention_effects
from groundvts.metrics.joining import match_predictions, named_by
from groundvts.metrics.predictions import Prediction, read_prediction_file
from groundvts.metrics.readings import reading_differences
from groundvts.metrics.score import point_values, query_values, reread


def moment(name: str, *windows: tuple[float, float], duration: float | None = 20.0) -> Moment:
    return Moment(name, "charades_sta", "test", f"v{name}", duration, f"query {name}", windows)


MOMENTS = [
    moment("tie", (0.0, 10.0)),
    moment("late", (10.0, 30.0)),
    moment("clock", (65.0, 80.0), duration=100.0),
    moment("turned", (3.0, 7.0)),
    moment("unread", (0.0, 4.0)),
]
PREDICTIONS = [
    Prediction("tie", ((0.0, 5.0),), answer="from 0s to 5s"),
    Prediction("late", ((10.0, 20.0),), answer="from 10s to 20s"),
    Prediction("clock", ((65.0, 80.0),), answer="1:05 to 1:20"),
    Prediction("turned", (), answer="from 7s to 3s", failure="reversed"),
    Prediction("unread", (), failure="unread_video"),
]


def differences(moments, predictions, metric: str) -> dict[str, float]:
    """{convention: points by which it moves the metric}."""
    rows = convention_effects(moments, predictions)
    return {row["name"]: row["metrics"][metric]["difference"] for row in rows}


def test_each_convention_alone_moves_what_it_must():
    rows = convention_effects(MOMENTS, PREDICTIONS)
    assert rows[0]["name"] == "fixed"
    values = {name: metric["value"] for name, metric in rows[0]["metrics"].items()}
    assert values == point_values(MOMENTS, PREDICTIONS)
    assert values["R1@0.5"] == pytest.approx(60.0)
    assert values["mIoU"] == pytest.approx(40.0)
    moved = {row["name"]: (row["metrics"]["R1@0.5"]["difference"], row["queries"]) for row in rows}
    assert moved == {
        "fixed": (0.0, 0),
        "windows read as released": (pytest.approx(-20.0), 1),
        "queries not asked left out": (pytest.approx(15.0), 1),
        "overlaps in float32": (0.0, 0),
        "more than the threshold": (pytest.approx(-40.0), 2),
        "predicted windows clipped": (0.0, 0),
        "true windows clipped": (0.0, 1),
        "reversed windows swapped": (pytest.approx(20.0), 1),
        "released reading and denominators": (pytest.approx(-10.0), 2),
    }
    assert differences(MOMENTS, PREDICTIONS, "R1@0.7")["true windows clipped"] == 20.0
    assert all(row["why"] for row in rows)


def test_predicted_windows_are_clipped_where_the_duration_is_known():
    moments = [moment("a", (10.0, 20.0)), moment("b", (10.0, 20.0), duration=None)]
    given = [Prediction(name, ((10.0, 40.0),)) for name in "ab"]
    moved = differences(moments, given, "mIoU")
    assert moved["predicted windows clipped"] == pytest.approx(100 / 3)
    assert "windows read as released" not in moved
    unknown = [replace(one, duration=None) for one in moments]
    assert not any("clipped" in name for name in differences(unknown, given, "mIoU"))


@pytest.mark.parametrize(("end", "true_end", "moved"), [(2.1, 3.6, -100), (2.3, 4.0, 0)])
def test_float32_moves_a_tie(end, true_end, moved):
    given = [Prediction("a", ((0.6, end),))]
    found = differences([moment("a", (0.6, true_end))], given, "R1@0.5")
    assert found["overlaps in float32"] == moved


def test_reversed_windows_of_a_file_are_swapped():
    given = [Prediction("tie", ((10.0, 0.0),), failure="reversed")]
    assert differences(MOMENTS[:1], given, "mIoU")["reversed windows swapped"] == 100.0


@pytest.mark.parametrize("answer", ["10, 0", "from 10s to 0s", "1:20 to 1:05", "30 s to the end"])
def test_a_reversed_answer_is_swapped(answer):
    given = [Prediction("tie", (), answer=answer, failure="reversed")]
    before, after = (0.0, 100.0) if "10" in answer else (0.0, 0.0)
    assert point_values(MOMENTS[:1], given)["mIoU"] == before
    moved = differences(MOMENTS[:1], given, "mIoU")
    assert moved["reversed windows swapped"] == pytest.approx(after)


def test_nothing_is_left_of_what_was_never_asked():
    given = [Prediction("tie", (), failure="missing")]
    names = set(differences(MOMENTS[:1], given, "mIoU"))
    assert {"fixed", "reversed windows swapped"} <= names
    assert names.isdisjoint({"queries not asked left out", "released reading and denominators"})


def question(name: str) -> Moment:
    return Moment(name, "nextgqa", "val", f"v{name}", 20.0, "why", ((0.0, 10.0),),
                  options=("a", "b", "c", "d", "the end"), answer="the end")  # fmt: skip


def test_questions_move_by_options_windows_and_thresholds():
    moments = [question(name) for name in "xyz"]
    given = [
        Prediction("x", ((0.0, 10.0),), answer="0 to 10", further={"question": ("(E)", None)}),
        Prediction("y", ((5.0, 15.0),), answer="5 to 15", further={"question": ("(E)", None)}),
        Prediction("z", ((0.0, 10.0),), answer="0:00 to 0:10", further={"question": ("b", None)}),
    ]
    assert point_values(moments, given)["Acc@GQA"] == pytest.approx(200 / 3)
    accuracy = differences(moments, given, "Acc@QA")
    assert accuracy["options read as released"] == pytest.approx(-200 / 3)
    assert accuracy["windows read as released"] == 0.0
    grounded = differences(moments, given, "Acc@GQA")
    assert grounded["options read as released"] == pytest.approx(-200 / 3)
    assert grounded["more than the threshold"] == pytest.approx(-100 / 3)
    assert differences(moments, given, "mIoU")["windows read as released"] < -30
    rows = reading_differences(moments, given)
    assert [(row["id"], row["of"], row["fixed"], row["official"]) for row in rows] == [
        ("x", "answer", "the end", "no option"),
        ("y", "answer", "the end", "no option"),
        ("z", "windows", "0 to 10 s", "0 to 0 s"),
    ]


def highlighted(name: str) -> Moment:
    return Moment(name, "qvhighlights", "val", f"v{name}", 10.0, "q", ((0.0, 4.0),),
                  saliency=((0, (2, 2, 2)), (1, (4, 4, 4))))  # fmt: skip


def test_highlights_move_by_level_ties_and_reading():
    said = "very important: 0s to 4s"
    moments = [highlighted("a"), highlighted("b")]
    given = [
        Prediction(name, ((0.0, 4.0),), (4.0, 4.0, 0.0, 0.0, 0.0), "0 to 4", None,
                   {"highlights": (said, None)})
        for name in "ab"
    ]  # fmt: skip
    assert point_values(moments, given)["HD-Hit@1-VeryGood"] == 0.0
    hit = differences(moments, given, "HD-Hit@1-VeryGood")
    assert hit["lenient Hit@1"] == hit["Fair shown as VeryGood"] == 100.0
    values = point_values(moments, given)
    rows = {row["name"]: row for row in convention_effects(moments, given)}
    fair = rows["Fair shown as VeryGood"]["metrics"]
    assert fair["HD-mAP-VeryGood"]["value"] == values["HD-mAP-Fair"]
    assert fair["HD-mAP-Good"]["difference"] == 0.0
    mean = differences(moments, given, "HD-mAP-VeryGood")
    assert mean["highlights read as released"] == pytest.approx(100 / 3 - 50)
    assert mean["windows read as released"] == 0.0
    assert differences(moments, given, "MR-mAP")["highlights read as released"] == 0.0
    assert not {"overlaps in float32", "more than the threshold"} & set(rows)
    (first, _) = reading_differences(moments, given)
    assert (first["of"], first["fixed"]) == ("saliency", said)
    assert first["official"] == "very important: 0s to 6s"


def test_answers_to_highlights_bring_no_windows_into_a_file_without_any():
    given = [Prediction("a", saliency=(1.0, 0.0), answer="very important: 0s to 4s")]
    (row, *_) = convention_effects([highlighted("a")], given)
    assert not any(name.startswith("MR") for name in row["metrics"])
    [difference] = reading_differences([highlighted("a")], given)
    assert difference["of"] == "saliency"


def test_all_that_official_moves_is_explained():
    """A query whose score differs was read differently, or was never put to a model."""
    given = [Prediction(str(n), (), answer=row[0]) for n, row in enumerate(TABLE) if row[0]]
    given.append(Prediction("gone", (), failure="missing"))
    moments = [moment(p.id, (2.0, 8.0), (60.0, 82.0), duration=100.0) for p in given]
    fixed, official = (
        query_values(moments, reread(moments, given, name), name)[0]
        for name in ("fixed", "official")
    )  # fmt: skip
    differ = np.zeros(len(given), bool)
    for name, score_Q in fixed.items():
        differ |= ~np.isclose(score_Q, official[name], equal_nan=True)
    explained = {row["id"] for row in reading_differences(moments, given)} | {"gone"}
    assert {p.id for p, other in zip(given, differ, strict=True) if other} <= explained
    assert differ.sum() > 10


# ---- real predictions


def real(reference_data, dataset, predictions, annotations, durations=None):
    folder = reference_data / "annotations"
    lengths = folder / durations if durations else None
    moments = read_truth(dataset, folder / annotations, lengths)
    file = read_prediction_file(reference_data / "predictions" / predictions, dataset)
    return moments, match_predictions(named_by(file, moments), moments)


def test_clipping_the_truth_lifts_real_predictions_by_two_points(reference_data):
    moments, given = real(
        reference_data, "charades_sta", "distime/charades_1B.json",
        "charades_sta/charades_sta_test.txt", "charades_sta/Charades_v1_test.csv",
    )  # fmt: skip
    rows = {row["name"]: row for row in convention_effects(moments, given)}
    assert rows["true windows clipped"]["queries"] == 496
    moved = {
        (name, metric): round(row["metrics"][metric]["difference"], 2)
        for name, row in rows.items()
        for metric in ("R1@0.5", "R1@0.7")
        if row["queries"]
    }
    assert moved == {
        ("overlaps in float32", "R1@0.5"): -0.13,
        ("overlaps in float32", "R1@0.7"): -0.03,
        ("more than the threshold", "R1@0.5"): -0.08,
        ("more than the threshold", "R1@0.7"): 0.0,
        ("true windows clipped", "R1@0.5"): 0.89,
        ("true windows clipped", "R1@0.7"): 2.31,
    }


def test_highlight_conventions_on_a_real_submission(reference_data):
    moments, given = real(
        reference_data, "qvhighlights", "moment_detr/sample_val_preds.jsonl",
        "qvhighlights/highlight_val_release.jsonl",
    )  # fmt: skip
    rows = {row["name"]: row for row in convention_effects(moments, given)}
    fair, lenient = (rows[name] for name in ("Fair shown as VeryGood", "lenient Hit@1"))
    assert round(rows["fixed"]["metrics"]["HD-mAP-VeryGood"]["value"], 2) == 35.65
    assert round(fair["metrics"]["HD-mAP-VeryGood"]["difference"], 2) == 32.12
    assert round(fair["metrics"]["HD-Hit@1-VeryGood"]["difference"], 2) == 10.90
    assert lenient["queries"] == 1
    moved = {name for name, row in rows.items() if row["queries"]}
    assert moved == {"Fair shown as VeryGood", "lenient Hit@1"}
