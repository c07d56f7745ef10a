"""One pass for each kind of question; what is read from each becomes one scored prediction."""

from dataclasses import replace

import pytest
import torch
from tiny import frames, tiny, write_base

from groundvts.data.conversations import conversations
from groundvts.data.features import PixelSource
from groundvts.data.files import write_jsonl
from groundvts.data.moment import Moment
from groundvts.inference.passes import annotated_kinds
from groundvts.inference.predict import has_failed, predict
from groundvts.metrics.constant import fit_constant_window
from groundvts.metrics.joining import match_predictions
from groundvts.metrics.predictions import read_prediction_file
from groundvts.metrics.score import reread, score_predictions
from groundvts.metrics.trivial import trivial_predictions
from groundvts.prompts import Prompts

TOKENS = {"grounding": 40, "highlights": 80, "question": 20}
GRADES = ((1, (4, 4, 4)), (2, (2, 2, 2)))
OPTIONS = ("blue", "red", "green", "white", "yellow")


class Videos:
    """Frames of two readable videos, and one that cannot be read."""

    def __init__(self) -> None:
        self.videos = {name: {"duration": 8.0} for name in ("a", "b")}
        self.failed = {"broken": "no frame"}

    def __getitem__(self, name: str):
        return frames(8, ord(name))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return tiny(write_base(tmp_path_factory.mktemp("base")), sampler="vts", ratio=0.5)


def highlight(video: str) -> Moment:
    return Moment(
        f"{video}-1", "qvhighlights", "val", video, 8.0, "red", ((2.0, 6.0),), saliency=GRADES
    )


def question(video: str) -> Moment:
    labels = {"options": OPTIONS, "answer": "yellow"}
    return Moment(
        f"{video}-q", "nextgqa", "test", video, 8.0, "circle colour", ((2.0, 6.0),), **labels
    )


def lines(asked, monkeypatch, moments, answers, **options):
    """Predictions of a model that says `answers` in turn, one for each pass."""
    said = iter(answers)

    def generate(reduced, **_):
        ids = asked.encoder.tokenizer(next(said))["input_ids"] + [asked.encoder.end_of_turn]
        return torch.tensor([ids] * len(reduced.sequence.inputs_embeds))

    monkeypatch.setattr(asked.model, "generate_from", generate)
    source = PixelSource(Videos(), asked.encoder)
    kinds = annotated_kinds(moments)
    prompts = Prompts.load("toy")
    return predict(
        asked.model, asked.encoder, source, moments, prompts, 8, TOKENS, kinds, **options
    )


def matched(tmp_path, moments, found):
    write_jsonl(tmp_path / "predictions.jsonl", found)
    file = read_prediction_file(tmp_path / "predictions.jsonl", moments[0].dataset)
    return match_predictions(file, moments)


ABSURD = {
    "duration": {"duration": 3e9},
    "query": {"query": "red " * 50_000},
    "windows": {"windows": ((2.0, 6.0),) * 1_001},
    "clip": {"saliency": ((10**12, (4, 4, 4)),)},
}


def test_what_is_absurd_fails_alone_wherever_moments_go(asked, monkeypatch, tmp_path):
    absurd = [replace(highlight("a"), id=key, **change) for key, change in ABSURD.items()]
    moments = [*absurd, highlight("b")]
    answers = ["from 2.0s to 6.0s", "very important: 2.0s to 4.0s"]
    found = lines(asked, monkeypatch, moments, answers)  # of the good one alone
    assert [line["failure"] for line in found] == ["bad_query"] * 4 + [None]
    assert [line["detail"] for line in found[:2]] == [
        "the video lasts 3e+09 s",
        "the query or an option has 200000 characters",
    ]
    said = [{**line, "windows": [[2, 6]], "saliency": [1], "failure": None} for line in found]
    trivial = trivial_predictions(moments)
    assert {len(p.saliency) for p in trivial["constant 3"]} == {1, 4}
    for given in (matched(tmp_path, moments, found), matched(tmp_path, moments, said)):
        for protocol in ("fixed", "official"):
            read = reread(moments, given, protocol)
            score = score_predictions(moments, read, protocol, resamples=100)
            assert score["counts"] == {"asked": 5, "scored": 1, "failed": 4}
            assert {failure["reason"] for failure in score["failures"]} == {"bad_query"}
        assert score["left_out"] == 4
    assert fit_constant_window(moments)[1] < 8
    written = conversations(moments, Prompts.load("toy"))
    assert [one.id for one in written] == ["b-1", "b-1#highlights"]


def test_windows_and_highlights_are_two_passes(asked, monkeypatch, tmp_path):
    moments = [highlight("a"), highlight("b")]
    answers = ["from 2s to 6s", "very important: 2s to 4s; less important: 4s to 6s"]
    found = lines(asked, monkeypatch, moments, answers)
    assert found[0]["windows"] == [[2.0, 6.0]]
    assert found[0]["saliency"] == [0, 4, 2, 0]
    assert found[0]["highlights"]["answer"] == answers[1]
    assert len(found[0]["kept"]) == 16  # half of 8 grid steps of four tokens
    scored = score_predictions(moments, matched(tmp_path, moments, found), resamples=10)
    for name in ("MR-R1@0.7", "MR-mAP", "HD-mAP-VeryGood", "HD-Hit@1-Fair"):
        assert scored["metrics"][name]["value"] == 100
    assert scored["counts"] == {"asked": 2, "scored": 2, "failed": 0}


def test_highlights_that_cannot_be_read_fail_alone(asked, monkeypatch, tmp_path):
    moments = [highlight("a")]
    found = lines(asked, monkeypatch, moments, ["from 2s to 6s", "from 2s to 4s"])
    assert has_failed(found[0])
    assert found[0]["failure"] is None
    scored = score_predictions(moments, matched(tmp_path, moments, found), resamples=10)
    assert scored["metrics"]["MR-R1@0.7"]["value"] == 100
    assert scored["metrics"]["HD-mAP-Fair"]["value"] == 0
    assert scored["failures"] == [{"id": "a-1", "of": "saliency", "reason": "no_level"}]
    assert scored["counts"] == {"asked": 1, "scored": 0, "failed": 1}


def test_a_question_is_answered_and_grounded(asked, monkeypatch, tmp_path):
    moments = [question("a"), question("b")]
    found = lines(asked, monkeypatch, moments, ["from 2s to 5s", "(E) yellow"])
    assert found[0]["answer"] == "from 2s to 5s"
    assert found[0]["question"]["answer"] == "(E) yellow"
    given = matched(tmp_path, moments, found)
    fixed = score_predictions(moments, given, resamples=10)
    assert (fixed["metrics"]["Acc@GQA"]["value"], fixed["metrics"]["IoU@0.5"]["value"]) == (
        100,
        100,
    )
    official = score_predictions(moments, given, "official", resamples=10)
    assert official["metrics"]["Acc@QA"]["value"] == 0  # a fifth option is never read
    assert {f["reason"] for f in official["failures"]} == {"no_option"}


def test_a_video_that_cannot_be_read_fails_in_every_pass(asked, monkeypatch, tmp_path):
    moments = [question("a"), question("broken")]
    found = lines(asked, monkeypatch, moments, ["from 2s to 6s", "(A)"])
    given = matched(tmp_path, moments, found)
    fixed = score_predictions(moments, given, resamples=10)
    unread = [f for f in fixed["failures"] if f["id"] == "broken-q"]
    assert [(f["of"], f["reason"]) for f in unread] == [
        ("windows", "unread_video"),
        ("answer", "unread_video"),
    ]
    assert fixed["counts"] == {"asked": 2, "scored": 1, "failed": 1}
    assert fixed["metrics"]["mIoU"]["value"] == 50
    official = score_predictions(moments, given, "official", resamples=10)
    assert official["metrics"]["mIoU"]["value"] == 100  # skipped samples leave the denominator
    assert official["counts"] == fixed["counts"]
    assert official["scores"]["mIoU"] == [100, None]


def test_answers_are_read_again_under_another_protocol(asked, monkeypatch, tmp_path):
    moments = [highlight("a")]
    answers = ["from 2s to 6s", "very important: 2s to 4s; less important: 4s to 6s"]
    given = matched(tmp_path, moments, lines(asked, monkeypatch, moments, answers))
    [read] = reread(moments, given, "official")
    assert read.saliency == (0, 4, 4, 3)  # a clip longer each, and "less important" is important


def test_an_answer_cut_short_says_so(asked, monkeypatch):
    def generate(reduced, **_):
        return torch.tensor([asked.encoder.tokenizer("from 2s to 6s")["input_ids"]])

    monkeypatch.setattr(asked.model, "generate_from", generate)
    moment = Moment("a-1", "charades_sta", "test", "a", 8.0, "red", ((2.0, 6.0),))
    source = PixelSource(Videos(), asked.encoder)
    prompts = Prompts.load("toy")
    [line] = predict(asked.model, asked.encoder, source, [moment], prompts, 8, {"grounding": 5})
    assert line["detail"] == "cut at 5 tokens"


def test_the_kinds_are_those_annotated():
    plain = Moment("m", "charades_sta", "test", "a", 8.0, "red", ())
    assert annotated_kinds([plain]) == ["grounding"]
    assert annotated_kinds([plain, highlight("a")]) == ["grounding", "highlights"]
    assert annotated_kinds([question("a")]) == ["grounding", "question"]


def test_where_padding_is_pooled_each_query_is_asked_alone(tmp_path):
    official = tiny(write_base(tmp_path), sampler="vts", ratio=0.5, query_scope="official")
    source = PixelSource(Videos(), official.encoder)
    moments = [
        Moment("1", "charades_sta", "test", "a", 8.0, "red", ((2.0, 6.0),)),
        Moment("2", "charades_sta", "test", "a", 8.0, "circle square blue red", ((2.0, 6.0),)),
    ]
    asked = (official.model, official.encoder, source)
    together = predict(*asked, moments, Prompts.load(), 2, TOKENS)
    for moment, found in zip(moments, together, strict=True):
        [alone] = predict(*asked, [moment], Prompts.load(), 2, TOKENS)
        assert found["scores"] == alone["scores"]
