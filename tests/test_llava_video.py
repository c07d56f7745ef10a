"""LLaVA-Video-178K: conversations, options and letter answers."""

import json

import pytest
from annotations import conversion, lines

from groundvts.data.convert import convert
from groundvts.data.moment import read_moments
from groundvts.errors import BadInput


@pytest.fixture
def converted(tmp_path):
    return conversion(tmp_path)


def talk(*values: str, **changes) -> dict:
    turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(values)]
    return {"id": "r", "conversations": turns, "video": "academic/x/v_a.mp4"} | changes


CHOICE = "Which colour?\nA. red\nB. dark blue.\nC. green\nAnswer with the letter."


def test_llava_video_takes_every_pair(converted):
    record = talk("<image>\nWhat is it?", "A dog.", "And then?\n<video>", "It runs.")
    moments, listed, _ = converted("llava_video", "l.json", [record])
    assert [(m.id, m.query, m.answer, m.options) for m in moments] == [
        ("r#1", "What is it?", "A dog.", ()),
        ("r#2", "And then?", "It runs.", ()),
    ]
    assert (moments[0].video, moments[0].source_key) == ("academic/x/v_a", "[0]")
    assert listed == []


@pytest.mark.parametrize(
    "answer", ["B", "B.", "(B)", "B. dark blue.", "B) dark blue", "dark blue."]
)
def test_llava_video_options_and_letter_answers(converted, answer):
    content = lines(talk("<image>\n" + CHOICE, answer))
    moments, listed, _ = converted("llava_video", "l.jsonl", content)
    assert moments[0].options == ("red", "dark blue.", "green")
    assert (moments[0].query, moments[0].answer, moments[0].id) == (CHOICE, answer, "r")
    assert listed == []


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("q\n(A) one\n(B) two", ("one", "two")),
        ("q\nA) one\nB) two\n", ("one", "two")),
        ("q\nA. one", ()),
        ("q\nA. one\nand\nB. two", ()),
        ("q\nB. one\nC. two", ()),
        ("A. Smith enters.\nA. one\nB. two\nC. three", ("one", "two", "three")),
    ],
)
def test_what_counts_as_options(converted, text, options):
    moments, _, _ = converted("llava_video", "l.json", [talk(text, "A")])
    assert moments[0].options == options


@pytest.mark.parametrize(
    ("record", "kinds"),
    [
        (talk("q", "a", video=None), ["unreadable_entry"]),
        (talk("q", "a", conversations=None), ["unreadable_entry"]),
        (talk("q", "a", conversations=[]), ["unreadable_entry"]),
        (talk("q", "a", conversations=["q", "a"]), ["unpaired_turn", "unpaired_turn"]),
        (talk("q"), ["unpaired_turn"]),
        (talk("q", "a", "b"), ["unpaired_turn"]),
        (talk("", "a"), ["empty_query"]),
        (talk("<image>\n", "a"), ["empty_query"]),
        (talk("q", " "), ["empty_answer"]),
        (talk(CHOICE, "D. red"), ["answer_unknown"]),
        (talk(CHOICE, "A. green"), ["answer_unknown"]),
        (talk("q", "a", video="../../x.mp4"), ["unsafe_video"]),
        (talk("q", "a", id=["x"]), ["unreadable_entry"]),
        (talk(3, "a"), ["unreadable_entry"]),
    ],
)
def test_llava_video_faults(converted, record, kinds):
    _, _, written = converted("llava_video", "l.json", [record, talk("fine", "a", id="z")])
    assert sorted(f["kind"] for f in written["findings"]) == kinds


def test_several_files_are_read_one_after_the_other(tmp_path):
    files = [tmp_path / "captions.json", tmp_path / "questions.json"]
    for file, texts in zip(files, (["A?", "a"], ["B?", "b"]), strict=True):
        file.write_text(json.dumps([talk(*texts)]))
    content = convert("llava_video", "train", files, tmp_path / "out")
    moments = read_moments(tmp_path / "out" / "moments.jsonl")
    assert [(m.id, m.query) for m in moments] == [("captions/r", "A?"), ("questions/r", "B?")]
    assert content["files"]["annotations"] == [*map(str, files)]
    assert content["counts"]["findings"] == {}


def test_of_several_files_the_broken_one_is_named(tmp_path):
    files = [tmp_path / "good.json", tmp_path / "broken.json"]
    files[0].write_text(json.dumps([talk("A?", "a")]))
    files[1].write_text("[{")
    with pytest.raises(BadInput, match=r"broken\.json"):
        convert("llava_video", "train", files, tmp_path / "out")
    files[0].write_text("[]")
    files[1].write_text("[]")
    with pytest.raises(BadInput, match=r"good\.json, .*broken\.json"):
        convert("llava_video", "train", files, tmp_path / "out")
