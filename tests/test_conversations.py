"""Conversations: counts, answers, templates and ids of each kind."""

import json
import random
from collections import Counter

import pytest

from groundvts.answers import grade_clips, parse_highlights, parse_windows
from groundvts.data.conversations import (
    Conversation,
    conversations,
    read_conversations,
    write_conversations,
)
from groundvts.data.moment import Moment, read_moments
from groundvts.errors import BadInput
from groundvts.prompts import Prompts

SALIENCY = ((0, (4, 4, 3)), (1, (4, 4, 4)), (5, (1, 2, 2)))


def moment(name="m", query="A man {runs}. ", windows=((1.0, 3.5),), video="clip", **more):
    return Moment(name, "set", "train", video, 60.0, query, windows, **more)


def build(*moments, templates="fixed", **more):
    return conversations(moments, Prompts.load(templates), **more)


def one(*moments, **more):
    [conversation] = build(*moments, **more)
    return conversation


def test_a_moment_with_one_window_is_one_conversation():
    assert one(moment(), templates="toy") == Conversation(
        "m", "set", "clip", "grounding", "When does this happen?", "A man {runs}", "A man {runs}",
        "from 1.0s to 3.5s",
    )  # fmt: skip


def test_each_window_is_a_conversation_of_the_same_query():
    first, second = build(moment(windows=((1, 3), (8, 12))), time_format="{:02.0f}")
    assert (first.id, second.id) == ("m#0", "m#1")
    assert (first.answer, second.answer) == ("from 01s to 03s", "from 08s to 12s")
    assert first.query == second.query == "A man {runs}"


def test_highlights_are_asked_where_clips_are_graded():
    grounding, highlights = build(moment(saliency=SALIENCY), moment("n", windows=()))
    assert (grounding.kind, highlights.kind) == ("grounding", "highlights")
    assert highlights.id == "m#highlights"
    assert highlights.answer == "very important: 0.0s to 4.0s; less important: 10.0s to 12.0s"
    assert one(moment(windows=(), saliency=())).answer == "nothing is important"


def test_a_question_without_options_is_answered_as_published():
    asked = one(moment(query=" what\nis it? ", windows=(), answer="A dog."))
    assert (asked.id, asked.kind) == ("m#question", "question")
    assert (asked.user, asked.query, asked.answer) == ("what\nis it?", "what\nis it?", "A dog.")


def test_options_in_the_question_are_not_listed_again():
    query = "what is it?\nA. a dog\nB. a cat"
    asked = one(moment(query=query, windows=(), options=("a dog", "a cat"), answer="B. a cat"))
    assert (asked.user, asked.answer) == (query, "B. a cat")


@pytest.mark.parametrize("answer", ["a dog", "B", "(B)", "B. a dog", "B) any words"])
def test_a_choice_is_answered_by_its_letter(answer):
    asked = one(moment(query="what is it", windows=(), options=("a cat", "a dog"), answer=answer))
    assert asked.answer == "B"
    assert asked.query == "what is it"
    assert "what is it\n(A) a cat\n(B) a dog\n" in asked.user


def test_only_the_kinds_asked_for_are_built_in_the_moments_order():
    both = moment(saliency=SALIENCY, answer="yes")
    other = moment("n", saliency=SALIENCY, answer="no")
    built = build(both, other, kinds=["question", "grounding"])
    assert [c.id for c in built] == ["m", "m#question", "n", "n#question"]
    assert len({c.id for c in build(both, other)}) == 6


def test_the_template_depends_on_seed_and_id_alone():
    moments = [moment(f"m{i}", saliency=SALIENCY) for i in range(400)]
    built = build(*moments, seed=3)
    random.Random(0).shuffle(moments)
    assert sorted(build(*moments, seed=3), key=lambda c: c.id) == sorted(built, key=lambda c: c.id)
    assert {c.id: c for c in built}["m7"] == one(moment("m7"), seed=3)
    again = build(*moments, seed=4)
    assert {c.id: c.user for c in built} != {c.id: c.user for c in again}
    used = {kind: Counter(c.user for c in built if c.kind == kind) for kind in ("grounding",
            "highlights")}  # fmt: skip
    assert [len(counts) for counts in used.values()] == [13, 7]
    assert min(used["grounding"].values()) > 400 / 13 / 3


@pytest.mark.parametrize(
    ("wrong", "more", "reason"),
    [
        ([moment(query=" . ")], {}, "m: the query is empty"),
        ([moment(saliency=((3, ()),))], {}, "m: clip 3 has no grades"),
        ([moment(options=("a", "b"), answer="c")], {}, "m: answer 'c' is none of the options"),
        ([moment(options=("a", "b"), answer="C")], {}, "m: answer 'C' is none of the options"),
        ([moment(options=("a", "b"), answer="A man")], {}, "m: answer 'A man' is none"),
        ([moment(options=("x",) * 27, answer="x")], {}, "m: .* has 27 options"),
        ([moment()], {"kinds": ["qa"]}, "kind 'qa': the kinds are grounding, highlights"),
        ([moment()], {"time_format": "{:d}"}, "time format"),
        ([moment(), moment()], {}, "m: 'm' names two conversations"),
        ([moment(windows=((0, 1), (2, 3))), moment("m#1")], {}, "m#1: 'm#1' names two"),
    ],
)
def test_what_cannot_be_asked_is_one_line_with_its_id(wrong, more, reason):
    with pytest.raises(BadInput, match=reason) as caught:
        build(*wrong, **more)
    assert "\n" not in str(caught.value)


def test_the_same_id_in_two_data_sets_is_no_clash():
    other = Moment("m", "other", "train", "clip", 60.0, "query", ((1.0, 2.0),))
    assert len(build(moment(), other)) == 2


def test_conversations_are_read_back_as_written(tmp_path):
    built = build(moment(saliency=SALIENCY, answer="ja: ü\u2028", query="ü\u2028x"))
    write_conversations(tmp_path / "c.jsonl", built)
    assert read_conversations(tmp_path / "c.jsonl") == built


@pytest.mark.parametrize("change", [{"id": 5}, {"answer": None}, {"more": "x"}])
def test_a_line_that_is_no_conversation_is_named(tmp_path, change):
    write_conversations(tmp_path / "c.jsonl", build(moment(), moment("n")))
    lines = (tmp_path / "c.jsonl").read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    (tmp_path / "c.jsonl").write_text("\n".join(lines))
    with pytest.raises(BadInput, match="line 2: not a conversation"):
        read_conversations(tmp_path / "c.jsonl")


PARTS = {
    "charades_sta": ("charades_sta_train.txt", {"durations": "Charades_v1_train.csv"}),
    "activitynet_captions": ("train.json", {}),
    "qvhighlights": ("highlight_train_release.jsonl", {}),
}


@pytest.fixture(scope="module")
def training(reference_data, tmp_path_factory):
    """Moments of the three published training files."""
    from groundvts.data.convert import convert

    read = {}
    for dataset, (file, more) in PARTS.items():
        folder, out = reference_data / "annotations" / dataset, tmp_path_factory.mktemp(dataset)
        more = {key: folder / name for key, name in more.items()}
        convert(dataset, "train", folder / file, out=out, **more)
        read[dataset] = read_moments(out / "moments.jsonl")
    return read


def test_grounding_ft_has_the_papers_samples(training):
    """70K in the paper (Sec. 4.1): three grounding parts and QVHighlights' highlights."""
    built = [c for moments in training.values() for c in build(*moments)]
    assert Counter((c.dataset, c.kind) for c in built) == {
        ("charades_sta", "grounding"): 12_408,
        ("activitynet_captions", "grounding"): 37_421,
        ("qvhighlights", "grounding"): 12_803,
        ("qvhighlights", "highlights"): 7_218,
    }
    assert len(built) == 69_850
    without = [c for moments in training.values() for c in build(*moments, kinds=["grounding"])]
    assert len(without) == 62_632
    place = {user.format(query="\0"): user.index("{query}") for kind in ("grounding", "highlights")
             for user in Prompts.load().templates[kind]["users"]}  # fmt: skip
    for c in built:
        template = c.user.replace(c.query, "\0", 1)
        assert c.user.find(c.query) == place[template], c.user


def test_the_answers_of_grounding_ft_are_read_back(training):
    for moments in training.values():
        by_id = {c.id: c for c in build(*moments, time_format="{:.2f}")}
        for m in moments:
            for number, (start, end) in enumerate(m.windows):
                answer = by_id.get(m.id, by_id.get(f"{m.id}#{number}")).answer
                if start <= end:
                    assert parse_windows(answer).windows == ((round(start, 2), round(end, 2)),)
            if m.saliency is not None:
                parsed = parse_highlights(by_id[f"{m.id}#highlights"].answer, m.duration)
                assert parsed.levels == grade_clips(m.saliency)
                assert (parsed.failure, parsed.detail) == (None, None)


def test_every_grounded_question_is_a_choice_of_five(reference_data, tmp_path):
    from groundvts.data.convert import convert

    folder = reference_data / "annotations" / "nextgqa"
    convert("nextgqa", "val", folder / "val.csv", out=tmp_path, spans=folder / "gsub_val.json")
    moments = read_moments(tmp_path / "moments.jsonl")
    asked = build(*moments, kinds=["question"])
    assert len(asked) == 3_358
    for c, m in zip(asked, moments, strict=True):
        assert m.options["ABCDE".index(c.answer)] == m.answer
        assert f"\n({c.answer}) {m.answer}\n" in c.user
        assert c.user.startswith(c.query)
