"""Prompts: every template holds its words once, whatever they are; a wrong file is one line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundvts.errors import BadInput
from groundvts.prompts import PLACEHOLDERS, Prompts, query_place

COUNTS = {"grounding": 13, "highlights": 7, "question": 1, "choice": 1}


def turns(prompts, kind, text, number=0):
    more = {"choice": (["yes", "no"],), "question": ()}.get(kind, (number,))
    return getattr(prompts, kind)(text, *more)


def written(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return path


def refused(path, **more):
    with pytest.raises(BadInput) as caught:
        Prompts.load("mine", path, **more)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_the_paper_scale_has_thirteen_grounding_and_seven_highlight_templates():
    templates = Prompts.load().templates
    assert {kind: len(templates[kind]["users"]) for kind in templates} == COUNTS
    every = [user for kind in templates for user in templates[kind]["users"]]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("kind", PLACEHOLDERS)
@pytest.mark.parametrize("name", ["fixed", "toy"])
def test_the_first_template_begins_or_ends_with_the_query(name, kind):
    """So that the scorer's query is found at its own place, however short it is."""
    system, user = turns(Prompts.load(name), kind, "a")
    place = query_place("a", user)
    assert place in (0, len(user) - 1)
    assert user[place] == "a"
    assert system


@given(st.text(min_size=1), st.integers(0, 10**12))
@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_any_query_passes_unharmed(kind, query, number):
    for name in ("fixed", "toy"):
        prompts = Prompts.load(name) if number % 2 else Prompts(Prompts.load(name).templates)
        _, user = turns(prompts, kind, query, number)
        _, plain = turns(prompts, kind, "PLACE", number)
        assert user == plain.replace("PLACE", query)
        assert plain.count("PLACE") == 1


def test_the_toy_set_is_terse():
    prompts = Prompts.load("toy")
    assert prompts.grounding("red {circle}", 5) == ("When does this happen?", "red {circle}")
    assert prompts.question("what?") == ("Answer the question.", "what?")
    assert prompts.highlights("red") == ("What is important?", "red")


def test_the_number_picks_the_template():
    prompts = Prompts.load()
    users = [prompts.grounding("query", number)[1] for number in range(26)]
    assert len(set(users)) == 13
    assert users[:13] == users[13:]


def test_a_choice_letters_its_options():
    _, user = Prompts.load().choice("who {0}?", ["the {man}", "a dog"])
    assert "who {0}?\n(A) the {man}\n(B) a dog\n" in user
    assert "letter" in user
    with pytest.raises(BadInput, match="27 options"):
        Prompts.load().choice("who?", ["x"] * 27)


def test_another_file_may_hold_some_kinds_only(tmp_path):
    path = written(tmp_path, 'mine: {question: {system: S, users: ["Say {{x}}: {question}"]}}')
    prompts = Prompts.load("mine", path)
    assert prompts.question("q") == ("S", "Say {x}: q")
    with pytest.raises(BadInput, match=re.escape(f"{path}, set mine: no templates of kind 'gr")):
        prompts.grounding("q")


def test_templates_are_a_plain_dict_that_rebuilds_the_prompts():
    prompts = Prompts.load()
    assert type(prompts.templates) is dict
    assert Prompts(prompts.templates) == prompts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no template set 'mine'"),
        ("[1, 2]", "no template set 'mine'"),
        ("theirs: {}\nours: {}", "theirs, ours"),
        ("mine: 3", "a mapping"),
        ("mine: {", "no YAML: "),
        ("mine: \x00", "no YAML: "),
        ("mine: 2001-99-99", "no YAML: "),
        ("[" * 10_000, "no YAML: "),
        ("mine: {grounds: {system: s, users: ['{query}']}}", "grounds: unknown kind"),
        ("mine: {grounding: [1]}", "grounding: give `system` and `users`"),
        ("mine: {grounding: {system: s, user: '{query}'}}", "grounding: give `system` and"),
        ("mine: {grounding: {system: s}}", "grounding: give `system` and"),
        ("mine: {grounding: {system: 1, users: ['{query}']}}", "grounding: `system` must"),
        ("mine: {grounding: {system: s, users: '{query}'}}", "grounding: `users` must"),
        ("mine: {grounding: {system: s, users: []}}", "grounding: `users` must"),
        ("mine: {grounding: {system: s, users: [2]}}", "grounding: `users` must"),
        ("mine: {grounding: {system: s, users: ['{query}', when]}}", "'when': must hold {query}"),
        ("mine: {question: {system: s, users: ['{query}']}}", "question: .*must hold {question}"),
        ("mine: {choice: {system: s, users: ['{question}']}}", "must hold {question} and {opt"),
        ("mine: {highlights: {system: s, users: ['{query} {query}']}}", "exactly once"),
        ("mine: {highlights: {system: s, users: ['{query} {x}']}}", "no other placeholder"),
        ("mine: {highlights: {system: s, users: ['{query} {}']}}", "no other placeholder"),
        ("mine: {highlights: {system: s, users: ['{query!r}{query}']}}", "no other placeholder"),
        ("mine: {highlights: {system: s, users: ['{query.__class__}']}}", "must hold"),
        ("mine: {highlights: {system: s, users: ['{query:>10}']}}", "must hold"),
        ("mine: {highlights: {system: s, users: ['{query} {']}}", "a brace"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path, text, reason):
    assert re.search(reason, refused(written(tmp_path, text)))


def test_a_file_that_is_not_there_or_not_text_is_one_line(tmp_path):
    refused(tmp_path / "absent.yaml")
    refused(tmp_path)
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xff\xfe\x00mine")
    refused(path)
