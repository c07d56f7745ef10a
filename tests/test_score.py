"""Scoring: every moment asked has exactly one score; the constant window as a baseline."""

import json
from dataclasses import replace

import numpy as np
import pytest

from groundvts import cli
from groundvts.data.files import write_jsonl
from groundvts.data.moment import Moment, write_moments
from groundvts.errors import BadInput
from groundvts.metrics.constant import fit_constant_window, predict_constant
from groundvts.metrics.joining import match_predictions
from groundvts.metrics.predictions import (
    Prediction,
    read_prediction_file,
)
from groundvts.metrics.score import point_values, reread, score_predictions
from groundvts.metrics.submission import submission
from groundvts.metrics.trivial import trivial_predictions


def moment(name: str, *windows: tuple[float, float], split: str = "test") -> Moment:
    return Moment(name, "charades_sta", split, f"v{name}", 30.0, f"query {name}", windows, 1)


MOMENTS = [moment("a", (0.0, 10.0)), moment("b", (5.0, 15.0)), moment("c", (8.0, 2.0), (1.0, 2.0))]


def predictions(**windows) -> list[Prediction]:
    """Predictions by moment's name; a text is the reason of a failure."""
    return [
        Prediction(name, windows=(), failure=value)
        if isinstance(value, str)
        else Prediction(name, windows=tuple(map(tuple, value)))
        for name, value in windows.items()
    ]


def test_the_first_window_is_scored():
    given = predictions(a=[[0, 5]], b=[[20, 25], [5, 15]], c=[[1, 2]])
    payload = score_predictions(MOMENTS, given, resamples=100)
    assert (payload["dataset"], payload["split"]) == ("charades_sta", "test")
    assert payload["queries"] == {
        "id": ["a", "b", "c"],
        "video": ["va", "vb", "vc"],
        "query": ["query a", "query b", "query c"],
        "IoU": [0.5, 0.0, 1.0],
        "IoP": [1.0, 0.0, 1.0],
    }
    assert payload["counts"] == {"asked": 3, "scored": 3, "failed": 0}
    assert payload["metrics"]["mIoU"]["value"] == pytest.approx(50)
    assert payload["metrics"]["R1@0.5"]["value"] == pytest.approx(200 / 3)
    assert payload["scores"]["R1@0.5"] == [100, 0, 100]
    for metric in payload["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
    json.dumps(payload, allow_nan=False)


@pytest.mark.parametrize("reason", ["video_unreadable", "one_number", "no_window", "missing"])
def test_a_failure_scores_zero_and_is_listed(reason):
    given = predictions(a=[[0, 10]], b=reason, c=[[1, 2]])
    payload = score_predictions(MOMENTS, given, resamples=100)
    assert payload["counts"] == {"asked": 3, "scored": 2, "failed": 1}
    assert payload["failures"] == [{"id": "b", "of": "windows", "reason": reason}]
    assert payload["queries"]["IoU"] == [1.0, 0.0, 1.0]
    assert payload["metrics"]["mIoU"]["value"] == pytest.approx(200 / 3)


def test_moments_that_cannot_be_scored_are_bad_input():
    with pytest.raises(BadInput, match="no moments to score"):
        score_predictions([], [])
    with pytest.raises(BadInput, match="x: the moment has no true window"):
        score_predictions([moment("x")], predictions(x=[[1, 2]]))
    mixed = [MOMENTS[0], moment("x", (0.0, 1.0), split="val")]
    with pytest.raises(BadInput, match="moments of several splits: test, val"):
        score_predictions(mixed, predictions(a=[[1, 2]], x=[[1, 2]]))
    with pytest.raises(BadInput, match="neither windows nor anything else"):
        score_predictions(MOMENTS[:1], [Prediction("a", saliency=(1.0,))])


def highlighted(name: str) -> Moment:
    return Moment(name, "qvhighlights", "val", f"v{name}", 10.0, "q", ((0.0, 4.0),),
                  saliency=((0, (4, 4, 4)), (1, (3, 2, 4))))  # fmt: skip


def test_highlights_and_ranked_windows_are_scored_where_they_are_predicted():
    moments = [highlighted("a"), highlighted("b")]
    right, wrong = (1.0, 0.5, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 1.0)
    both = [
        Prediction("a", windows=((0.0, 4.0, 0.9), (5.0, 6.0, 0.1)), saliency=right),
        Prediction("b", windows=((8.0, 9.0, 0.9), (0.0, 4.0, 0.5)), saliency=wrong),
    ]
    values = {
        n: m["value"] for n, m in score_predictions(moments, both, resamples=10)["metrics"].items()
    }
    assert values["MR-R1@0.5"] == values["HD-Hit@1-VeryGood"] == 50
    assert values["MR-mAP"] == pytest.approx(75)
    only = [Prediction(p.id, saliency=p.saliency) for p in both]
    payload = score_predictions(moments, only, resamples=10)
    assert not any(name.startswith("MR") for name in payload["metrics"])
    assert list(payload["queries"]) == ["id", "video", "query"]


def test_questions_need_the_answer_and_the_window():
    moments = [
        Moment(
            n, "nextgqa", "val", n, 10.0, "q", ((0.0, 4.0),), options=("red", "blue"), answer="red"
        )
        for n in "abc"
    ]
    given = [
        Prediction(name, windows=(window,), further={"question": (said, None)})
        for name, window, said in (
            ("a", (0.0, 4.0), "(A)"), ("b", (6.0, 8.0), "red"), ("c", (0.0, 2.0), "B")
        )
    ]  # fmt: skip
    metrics = score_predictions(moments, given, resamples=10)["metrics"]
    assert metrics["Acc@QA"]["value"] == pytest.approx(200 / 3)
    assert metrics["Acc@GQA"]["value"] == pytest.approx(100 / 3)
    assert metrics["mIoU"]["value"] == pytest.approx(50)
    unasked = [replace(prediction, further={}, answer="red, from 0s to 4s") for prediction in given]
    metrics = score_predictions(moments, unasked, resamples=10)["metrics"]
    assert metrics["mIoU"]["value"] == pytest.approx(50)
    assert not any(name.startswith("Acc") for name in metrics)  # the answer is about the window


def test_another_protocol_reads_the_answers_again():
    given = [
        Prediction("a", windows=((0.0, 10.0),), answer="from 0s to 10s"),
        Prediction("b", windows=(), answer="1:05 to 1:20", failure="no_window"),
        Prediction("c", windows=(), answer=None, failure="unread_video"),
    ]
    fixed, official = (reread(MOMENTS, given, name) for name in ("fixed", "official"))
    assert [prediction.windows for prediction in fixed] == [((0, 10),), ((65, 80),), ()]
    assert [prediction.windows for prediction in official] == [((0, 10),), ((5, 1),), ()]
    assert fixed[2] == official[2] == given[2]


def test_a_submission_scores_as_the_predictions_it_was_made_of(tmp_path):
    moments = [highlighted("7"), highlighted("8")]
    given = [
        Prediction("7", windows=((5.0, 6.0), (0.0, 4.0)), saliency=(1.0, 0.0, 0.0, 0.0, 0.0)),
        Prediction("8", windows=(), saliency=(), failure="no_window"),
    ]
    write_jsonl(tmp_path / "s.jsonl", submission(moments, given))
    file = read_prediction_file(tmp_path / "s.jsonl", "qvhighlights")
    assert file.predictions[0].windows == ((5.0, 6.0, 1.0), (0.0, 4.0, 0.5))
    again = match_predictions(file, moments)
    assert point_values(moments, again) == point_values(moments, given)
    assert json.loads((tmp_path / "s.jsonl").read_text().splitlines()[0])["qid"] == 7


def test_trivial_predictions_look_at_no_video():
    found = trivial_predictions([highlighted("a"), highlighted("b")])
    assert found["whole video"][0].windows == ((0.0, 10.0),)
    assert found["centre half"][0].windows == ((2.5, 7.5),)
    assert found["all zero"][0].saliency == (0.0,) * 5
    assert found["constant 3"][1].saliency == (3.0,) * 5
    halves = found["random half"]
    assert sorted(halves[0].saliency) == [0.0, 0.0, 3.0, 3.0, 3.0]
    assert halves == trivial_predictions([highlighted("a"), highlighted("b")])["random half"]


def test_the_submission_scores_as_officially_with_the_verb(reference_data, tmp_path):
    official = json.loads(
        (reference_data / "predictions/moment_detr/sample_val_preds_metrics_raw.json").read_text()
    )["brief"]
    cli.main([
        "score", "qvhighlights", "--resamples", "20", "--out", str(tmp_path / "s.json"),
        "--predictions", str(reference_data / "predictions/moment_detr/sample_val_preds.jsonl"),
        "--annotations",
        str(reference_data / "annotations/qvhighlights/highlight_val_release.jsonl"),
    ])  # fmt: skip
    record = json.loads((tmp_path / "s.json").read_text())
    values = {name: metric["value"] for name, metric in record["metrics"].items()}
    ours = {
        "MR-full-R1@0.5": "MR-R1@0.5", "MR-full-R1@0.7": "MR-R1@0.7",
        "MR-full-mAP": "MR-mAP", "MR-full-mAP@0.5": "MR-mAP@0.5",
        "MR-full-mAP@0.75": "MR-mAP@0.75", "MR-short-mAP": "MR-mAP-short",
        "MR-middle-mAP": "MR-mAP-middle", "MR-long-mAP": "MR-mAP-long",
    }  # fmt: skip
    for level in ("Fair", "Good", "VeryGood"):
        ours |= {
            f"HL-min-{level}-mAP": f"HD-mAP-{level}",
            f"HL-min-{level}-Hit1": f"HD-Hit@1-{level}",
        }
    assert set(official) == set(ours)
    assert len(official) == 14
    for theirs, name in ours.items():
        assert f"{values[name]:.2f}" == f"{official[theirs]:.2f}", name
    trivial = record["trivial"]
    assert [round(trivial["all zero"][f"HD-mAP-{level}"], 2) for level in
            ("Fair", "Good", "VeryGood")] == [24.78, 19.45, 11.04]  # fmt: skip


def test_the_constant_window_is_the_best_on_a_brute_force_grid():
    generator = np.random.default_rng(3)
    starts = generator.uniform(0, 20, size=60)
    moments = [
        moment(str(n), (float(start), float(start + generator.uniform(2, 15))))
        for n, start in enumerate(starts)
    ]
    window = fit_constant_window(moments)
    best = score(moments, window)
    grid = np.arange(0, 36, 1.0)
    others = [score(moments, (a, b)) for a in grid for b in grid if a < b]
    assert best >= max(others) - 1e-9
    assert fit_constant_window(moments) == window


def test_the_constant_window_of_equal_moments_is_theirs():
    window = fit_constant_window([moment(str(n), (3.2, 7.9)) for n in range(3)])
    assert window == pytest.approx((3.2, 7.9), abs=0.05)
    with pytest.raises(BadInput, match="no true window"):
        fit_constant_window([moment("x")])


def test_constant_predictions_have_the_common_form():
    (prediction,) = predict_constant(MOMENTS[:1], (3.0, 8.0))
    assert prediction["windows"] == [[3.0, 8.0]]
    assert prediction["failure"] is None
    expected = "id video query answer windows failure detail seconds grid second_per_grid kept"
    assert list(prediction) == expected.split()
    assert (prediction["id"], prediction["video"]) == ("a", "va")


def score(moments, window) -> float:
    given = [Prediction(m.id, windows=(tuple(window),)) for m in moments]
    return point_values(moments, given)["mIoU"]


def test_answers_may_stand_in_a_file_of_their_own(tmp_path, capsys):
    labels = {"options": ("red", "blue"), "answer": "blue"}
    asked = [Moment(n, "nextgqa", "val", f"v{n}", 9.0, "q", ((1.0, 5.0),), **labels) for n in "ab"]
    write_moments(tmp_path / "moments.jsonl", asked)
    write_jsonl(tmp_path / "windows.jsonl", [{"id": n, "windows": [[1, 5]]} for n in "ab"])
    write_jsonl(tmp_path / "answers.jsonl", [{"id": n, "answer": "(B)"} for n in "b"])
    call = ["score", "nextgqa", "--predictions", tmp_path / "windows.jsonl"]
    call += ["--answers", tmp_path / "answers.jsonl", "--annotations", tmp_path / "moments.jsonl"]
    call += ["--out", tmp_path / "score.json", "--resamples", 10]
    with pytest.raises(SystemExit) as stopped:
        cli.main([*map(str, call)])
    assert stopped.value.code == 2
    assert "without a prediction: 'a'; give" in capsys.readouterr().err
    cli.main([*map(str, call), "--complete"])
    record = json.loads((tmp_path / "score.json").read_text())
    assert record["metrics"]["Acc@GQA"]["value"] == 50
    assert record["metrics"]["mIoU"]["value"] == 100
    assert record["failures"] == [{"id": "a", "of": "answer", "reason": "missing"}]
    assert "answers" in record["inputs"]


def test_windows_that_are_not_what_the_answer_says_stay():
    asked = [moment("a", (0.0, 10.0)), moment("b", (5.0, 15.0))]
    given = [
        Prediction("a", windows=((0.0, 10.0),), answer="The moment happens in <|reg|>."),
        Prediction("b", windows=((5.0, 15.0),), answer="It takes 3 to 4 people."),
    ]
    for protocol in ("fixed", "official"):
        assert reread(asked, given, protocol) == given


@pytest.mark.parametrize("odd", [{"options": ("x", "y"), "answer": "x"}, None])
def test_queries_of_several_kinds_are_scored_apart(odd):
    asked, given = MOMENTS[:2], predictions(a=[[0, 10]], b=[[5, 15]])
    if odd:
        asked = [asked[0], replace(asked[1], **odd)]
    else:
        given = [given[0], Prediction("b", answer="x")]
    with pytest.raises(BadInput, match=r"^b: .*score them apart"):
        score_predictions(asked, given)


def test_a_metric_without_a_query_that_counts_is_absent():
    asked = [
        Moment(n, "qvhighlights", "val", n, 150.0, "q", (window,))
        for n, window in (("a", (0.0, 5.0)), ("b", (0.0, 100.0)))
    ]
    given = [
        Prediction("a", windows=(), failure="unread_video"),
        Prediction("b", windows=((0.0, 100.0),)),
    ]
    assert "MR-mAP-short" in score_predictions(asked, given, resamples=10)["metrics"]
    official = score_predictions(asked, given, "official", resamples=10)
    assert "MR-mAP-short" not in official["metrics"]
    assert official["left_out"] == 1
    json.dumps(official, allow_nan=False)


def test_the_answers_of_a_pass_join_windows_of_another_file(tmp_path, capsys):
    labels = {"options": ("red", "blue"), "answer": "blue"}
    asked = [Moment("a", "nextgqa", "val", "va", 9.0, "q", ((1.0, 5.0),), **labels)]
    write_moments(tmp_path / "moments.jsonl", asked)
    write_jsonl(tmp_path / "windows.jsonl", [{"id": "a", "windows": [[1, 5]]}])
    write_jsonl(
        tmp_path / "answers.jsonl", [{"id": "a", "question": {"answer": "(B)", "failure": None}}]
    )
    call = ["score", "nextgqa", "--predictions", tmp_path / "windows.jsonl"]
    call += ["--annotations", tmp_path / "moments.jsonl", "--out", tmp_path / "score.json"]
    cli.main([*map(str, call), "--answers", str(tmp_path / "answers.jsonl")])
    record = json.loads((tmp_path / "score.json").read_text())
    assert record["metrics"]["Acc@GQA"]["value"] == 100
    with pytest.raises(SystemExit) as stopped:
        cli.main([*map(str, call), "--answers", str(tmp_path / "windows.jsonl")])
    assert stopped.value.code == 2
    assert "windows.jsonl: holds no answer to a question" in capsys.readouterr().err


@pytest.mark.parametrize("record", [{"a": 1}, {"protocol": "offical", "seed": 0},
                                    {"protocol": "fixed", "seed": None}])  # fmt: skip
def test_a_broken_record_beside_predictions_is_one_line(tmp_path, capsys, record):
    write_moments(tmp_path / "m.jsonl", MOMENTS[:1])
    write_jsonl(tmp_path / "p.jsonl", [{"id": "a", "windows": [[0, 10]]}])
    (tmp_path / "p.record.json").write_text(json.dumps(record))
    call = ["score", "charades_sta", "--predictions", "p.jsonl", "--annotations", "m.jsonl"]
    call = [str(tmp_path / word) if "." in word else word for word in call]
    with pytest.raises(SystemExit) as stopped:
        cli.main([*call, "--out", str(tmp_path / "s.json")])
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "p.record.json: no record of predictions" in line
