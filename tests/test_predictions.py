"""Prediction files of three layouts: what is read, what is a failure, what is refused."""

import json
import re
import time

import numpy as np
import pytest

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.joining import match_predictions
from groundvts.metrics.moments import best_overlap, query_scores
from groundvts.metrics.predictions import (
    Prediction,
    PredictionFile,
    read_prediction_file,
)

RECORD = {"video": "v1", "query": "a dog", "span": [[0, 10]], "pred": [[0, 5]]}
QUESTION = RECORD | {"options": ["a", "b", "c"], "ans": "B", "response": "(B)"}
SUBMITTED = {"qid": 7, "pred_relevant_windows": [[0, 5, 0.9]], "pred_saliency_scores": [0.5, -1]}
OWN = {"id": "a", "windows": [[0, 5]], "failure": None}


def write(tmp_path, content):
    """A file of a list (JSON), of a tuple (JSONL), of text or of bytes."""
    path = tmp_path / "p.json"
    if isinstance(content, list):
        content = json.dumps(content)
    elif isinstance(content, tuple):
        content = "\n".join(json.dumps(row) for row in content) + "\n"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(tmp_path, content):
    return read_prediction_file(write(tmp_path, content), "d", "test")


def one(tmp_path, row):
    (prediction,) = read(tmp_path, [row]).predictions
    return prediction


# ---- layouts


def test_the_kits_own_predictions(tmp_path):
    failed = {"id": "b", "windows": [[9, 10]], "failure": "unread_video", "answer": None}
    file = read(tmp_path, (OWN | {"answer": "from 0s to 5s", "kept": [1]}, failed))
    assert file.predictions == (
        Prediction("a", ((0.0, 5.0),), answer="from 0s to 5s"),
        Prediction("b", (), failure="unread_video"),
    )
    assert file.moments is None


def test_a_submission_may_lack_windows_or_saliency(tmp_path):
    assert one(tmp_path, SUBMITTED) == Prediction("7", ((0.0, 5.0, 0.9),), (0.5, -1.0))
    without = {key: value for key, value in SUBMITTED.items() if key != "pred_saliency_scores"}
    assert one(tmp_path, without) == Prediction("7", ((0.0, 5.0, 0.9),))
    without = {key: value for key, value in SUBMITTED.items() if key != "pred_relevant_windows"}
    assert one(tmp_path, without) == Prediction("7", saliency=(0.5, -1.0))


def test_records_bring_their_own_moments_and_a_pair_may_repeat(tmp_path):
    question = {"vid": 12, "question": "why?", "span": [1, 3], "pred": [2, 4], "duration": 30}
    question |= {"options": ["x", "y"], "ans": 1, "response": "B."}
    file = read(tmp_path, [RECORD, RECORD, question])
    assert [prediction.id for prediction in file.predictions] == ["0", "1", "2"]
    first, second, third = file.moments
    assert (first.video, first.query, first.windows) == ("v1", "a dog", ((0.0, 10.0),))
    assert (first.dataset, first.split, first.source_key) == ("d", "test", "[0]")
    assert first != second
    assert (third.video, third.query, third.duration) == ("12", "why?", 30)
    assert (third.options, third.answer, third.windows) == (("x", "y"), "y", ((1.0, 3.0),))
    assert file.predictions[2] == Prediction("2", ((2.0, 4.0),), further={"question": ("B.", None)})
    assert match_predictions(file, file.moments) == list(file.predictions)


@pytest.mark.parametrize("answer", [1, "B", "b", "(B)", "B.", "beta"])
def test_the_right_option_by_index_letter_or_text(tmp_path, answer):
    row = QUESTION | {"options": ["alpha", "beta", "gamma"], "ans": answer}
    assert read(tmp_path, [row]).moments[0].answer == "beta"


def test_of_a_question_without_a_span_only_the_answer_counts(tmp_path):
    row = {key: value for key, value in QUESTION.items() if key not in ("span", "pred")}
    file = read(tmp_path, [row])
    assert file.moments[0].windows == ()
    assert file.predictions == (Prediction("0", further={"question": ("(B)", None)}),)


@pytest.mark.parametrize("rows", [[OWN], [SUBMITTED], [RECORD]])
def test_a_list_lines_a_byte_order_mark_and_crlf_are_the_same(tmp_path, rows):
    expected = read(tmp_path, rows)
    text = "\r\n\r\n".join(json.dumps(row) for row in rows) + "\r\n"
    for content in (tuple(rows), text, b"\xef\xbb\xbf" + text.encode(), f" \n{json.dumps(rows)}"):
        found = read(tmp_path, content)
        assert found.predictions == expected.predictions
        assert (found.moments is None) == (expected.moments is None)


@pytest.mark.parametrize("rows", [[OWN], [SUBMITTED], [RECORD]])
def test_objects_of_records_are_read(tmp_path, rows):
    expected = read(tmp_path, rows).predictions
    for document in (
        {"predictions": rows},
        {"version": 1, "results": rows},
        {"a": rows[0]},
        rows[0],
    ):
        for indent in (None, 1):
            assert read(tmp_path, json.dumps(document, indent=indent)).predictions == expected
    lines = tmp_path / "p.jsonl"
    lines.write_text(json.dumps(rows, indent=1))
    assert read_prediction_file(lines, "d").predictions == expected


@pytest.mark.parametrize("windows", [[0, 5], [[0, 5]], None])
def test_windows_may_stand_in_ans(tmp_path, windows):
    row = {key: value for key, value in RECORD.items() if key != "pred"} | {"ans": windows}
    if windows is None:
        with pytest.raises(BadInput, match="no `pred`; add it"):
            read(tmp_path, [row])
    else:
        assert one(tmp_path, row) == one(tmp_path, RECORD)


def test_the_truth_may_stand_elsewhere(tmp_path):
    for row, leave in ((RECORD, ("span",)), (QUESTION, ("span", "ans"))):
        expected = one(tmp_path, row)
        path = write(tmp_path, [{key: value for key, value in row.items() if key not in leave}])
        (found,) = read_prediction_file(path, "d", truth=False).predictions
        assert found == expected
        with pytest.raises(
            BadInput, match=r"no `span`; add it \(or name --annotations\)|ans is no"
        ):
            read_prediction_file(path, "d")


# ---- failures of one query


@pytest.mark.parametrize("pred", [None, [], [None], [None, None], [1, None], [[1, 2], [None, 3]]])
def test_a_null_is_a_failure(tmp_path, pred):
    found = one(tmp_path, RECORD | {"pred": pred})
    assert (found.windows, found.failure) == ((), "no_window")
    if pred is None or not any(isinstance(time, int) for time in pred):
        for row in (OWN | {"windows": pred}, SUBMITTED | {"pred_relevant_windows": pred}):
            if pred != [None, None]:
                assert one(tmp_path, row).failure == "no_window"


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf"), None])
def test_a_number_that_is_none_is_a_failure_of_its_query_alone(tmp_path, broken):
    for window in ([broken, broken], [0, broken], [[0, 5], [broken, 9]]):
        first, second = read(tmp_path, [RECORD, RECORD | {"pred": window}]).predictions
        assert (first.failure, second.windows, second.failure) == (None, (), "no_window")
    row = SUBMITTED | {
        "pred_relevant_windows": [[0, 1, broken]],
        "pred_saliency_scores": [1, broken],
    }
    found = one(tmp_path, row)
    assert (found.windows, found.failure, found.saliency) == ((), "no_window", ())


@pytest.mark.parametrize("token", ["NaN", "1e999", "-Infinity"])
def test_tokens_of_other_json_writers_are_read(tmp_path, token):
    text = f'{{"id": "a", "windows": [[0, {token}]]}}\n{{"id": "b", "windows": [[0, 5]]}}'
    first, second = read(tmp_path, text).predictions
    assert (first.failure, second.failure) == ("no_window", None)


def test_a_reversed_window_is_a_failure_if_it_is_the_first_and_keeps_its_rank(tmp_path):
    found = one(tmp_path, RECORD | {"pred": [[5, 1], [0, 10]]})
    assert (found.windows, found.failure) == (((5.0, 1.0), (0.0, 10.0)), "reversed")
    found = one(tmp_path, RECORD | {"pred": [[0, 10], [5, 1]]})
    assert (found.windows, found.failure) == (((0.0, 10.0), (5.0, 1.0)), None)


def test_nothing_predicted_for_the_clips_is_empty(tmp_path):
    assert one(tmp_path, SUBMITTED | {"pred_saliency_scores": None}).saliency == ()
    assert one(tmp_path, QUESTION | {"response": None}).answer is None


def moments(*ids):
    return [Moment(id, "d", "test", f"v{id}", 30.0, "q", ((0.0, 1.0),)) for id in ids]


def given(*ids, **values):
    return PredictionFile("p.json", tuple(Prediction(id, **values) for id in ids))


def test_predictions_come_in_the_order_of_the_moments():
    found = match_predictions(given("b", "a", windows=()), moments("a", "b"))
    assert [prediction.id for prediction in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("ids", "asked", "message"),
    [
        ("ac", "abc", "p.json: moments without a prediction: 'b'; give one"),
        ("acd", "abc", "p.json: predictions of no moment asked: 'd'; give one"),
        ("abcd", "abc", "p.json: predictions of no moment asked: 'd'; give one"),
        ("abca", "abc", "p.json: predictions repeated: 'a'; give one"),
        ("abc", "abca", "p.json: moments repeated: 'a'; give one"),
        ("a", "abcdefgh", "prediction: 'b', 'c', 'd', 'e', 'f' and 2 more; give one"),
        ("a", "", "predictions of no moment asked: 'a'"),
    ],
)
def test_ids_that_do_not_match_are_named(ids, asked, message):
    with pytest.raises(BadInput, match=re.escape(message)):
        match_predictions(given(*ids), moments(*asked))
    if "without" not in message and "prediction:" not in message:
        with pytest.raises(BadInput, match=re.escape(message)):
            match_predictions(given(*ids), moments(*asked), complete=True)


@pytest.mark.parametrize(
    ("about", "fits"),
    [
        ({"video": "va", "query": " q. "}, True),
        ({"vid": "va.mp4"}, True),
        ({"query": None}, True),
        ({"video": "vb"}, False),
        ({"vid": "vb", "query": "q"}, False),
        ({"video": "va", "query": "another"}, False),
    ],
)
@pytest.mark.parametrize("row", [OWN, SUBMITTED])
def test_a_prediction_of_another_video_or_query_is_refused(tmp_path, row, about, fits):
    key = "id" if "id" in row else "qid"
    file = read(tmp_path, [row | {key: "a"} | about])
    if fits:
        match_predictions(file, moments("a"))
    else:
        with pytest.raises(BadInput, match=r"p\.json: 'a' is of 'va' and 'q', not of 'v"):
            match_predictions(file, moments("a"))


def test_missing_predictions_are_completed_on_demand():
    found = match_predictions(given("a", saliency=(1.0,)), moments("b", "a"), complete=True)
    assert found[0] == Prediction("b", saliency=(), failure="missing")
    found = match_predictions(given("a", windows=()), moments("a", "b"), complete=True)
    assert found[1] == Prediction("b", windows=(), failure="missing")


def test_joining_a_large_file_is_linear():
    ids = [str(n) for n in range(20_000)]
    asked, file = moments(*ids), given(*ids[::2], windows=())
    began = time.perf_counter()
    match_predictions(file, asked, complete=True)
    assert time.perf_counter() - began < 2


# ---- published predictions


def test_real_records_have_their_published_scores(reference_data):
    path = reference_data / "predictions" / "distime" / "charades_1B.json"
    file = read_prediction_file(path, "charades_sta", "test")
    assert len(file.predictions) == 3720
    assert not [prediction for prediction in file.predictions if prediction.failure]
    windows = np.array([prediction.windows[0] for prediction in file.predictions])
    scores = query_scores(*best_overlap(windows, [moment.windows for moment in file.moments]))
    expected = {"R1@0.3": 78.09, "R1@0.5": 56.40, "R1@0.7": 29.68, "mIoU": 52.03}
    expected |= {"IoP@0.3": 80.89, "IoP@0.5": 62.53, "mIoP": 60.29}
    for name, value in expected.items():
        assert scores[name].mean() == pytest.approx(value, abs=0.006), name


def test_a_real_submission_is_read_whole(reference_data):
    path = reference_data / "predictions" / "moment_detr" / "sample_val_preds.jsonl"
    file = read_prediction_file(path, "qvhighlights", "val")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [prediction.id for prediction in file.predictions] == [str(row["qid"]) for row in lines]
    for prediction, row in zip(file.predictions, lines, strict=True):
        assert [list(window) for window in prediction.windows] == row["pred_relevant_windows"]
        assert list(prediction.saliency) == row["pred_saliency_scores"]
