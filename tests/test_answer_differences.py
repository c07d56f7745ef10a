"""Why answers are read differently under the two protocols: each case has a known cause."""

import time

import pytest
import test_answers
import test_qa
from hypothesis import given, settings
from hypothesis import strategies as st
from test_official_answers import HIGHLIGHTS, TABLE

from groundvts import answer_differences as whys
from groundvts.answers import parse_highlights, parse_windows
from groundvts.metrics import readings
from groundvts.metrics.qa import read_choice
from groundvts.metrics.readings import choice_cause


def listed(test) -> list:
    """The cases of a parametrised test."""
    return test.pytestmark[0].args[1]


HIGHLIGHT_ANSWERS = [row[0] for row in HIGHLIGHTS] + [
    case[0]
    for test in (test_answers.test_highlights_are_read,
                 test_answers.test_what_names_no_highlight_fails)
    for case in listed(test)
]  # fmt: skip
RESPONSES = [row[0] for row in listed(test_qa.test_the_option_that_a_response_names)]
RESPONSES += [row[0] for row in test_qa.SAID]
RESPONSES += [
    row[0] for row in listed(test_qa.test_the_official_reader_takes_the_first_single_letter_up_to_d)
]


@pytest.mark.parametrize("duration", [100.0, None])
@pytest.mark.parametrize("answer", [row[0] for row in (*TABLE, *test_answers.SAID)])
def test_a_window_read_differently_has_a_known_cause(answer, duration):
    fixed, official = (parse_windows(answer, duration, p).windows for p in ("fixed", "official"))
    cause = whys.window_cause(answer, duration)
    assert (cause is None) == (fixed == official)
    assert cause is None or cause in whys.CAUSES
    assert cause != whys.OTHER


@pytest.mark.parametrize("duration", [11.0, 100.0])
@pytest.mark.parametrize("answer", HIGHLIGHT_ANSWERS)
def test_highlights_read_differently_have_known_causes(answer, duration):
    fixed, official = (parse_highlights(answer, duration, p).levels for p in ("fixed", "official"))
    causes = whys.highlight_causes(answer, duration)
    assert bool(causes) == (fixed != official)
    assert set(causes) <= set(whys.CAUSES) - {whys.OTHER}
    assert len(set(causes)) == len(causes)


@pytest.mark.parametrize("response", [text for text in RESPONSES if text is not None])
def test_a_choice_read_differently_has_a_known_cause(response):
    fixed, official = (read_choice(response, test_qa.OPTIONS, p) for p in ("fixed", "official"))
    cause = choice_cause(response, test_qa.OPTIONS)
    assert (cause is None) == (fixed == official)
    assert cause is None or cause in readings.CHOICE_CAUSES


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("from 3.0s to 7.5s", None),
        ("between 1:05 and 1:20", whys.CLOCK),
        ("1 min 5 s to 1 min 20 s", whys.CLOCK),
        ("at 1:05", whys.CLOCK),
        ("2 people at 1:05 to 1:20", whys.CLOCK),
        ("from 1 to 2 minutes", whys.UNIT),
        ("the first 1.5 minutes", whys.UNIT),
        ("from 3,5s to 7,5s", whys.WRITING),
        ("1\u202f204 s à 1\u202f210 s", whys.WRITING),
        ("3½ s to 7 s", whys.WRITING),
        ("holds 2 and 3 items from 10s to 20s", whys.ELSEWHERE),
        ("2 and 3 items from 1:05 to 1:20", whys.ELSEWHERE),
        ("2 and 3 items", whys.LOOSE),
        ("from frame 30 to frame 90", whys.LOOSE),
        ("from 9s to 12s and from 3s to 7s", whys.SEVERAL),
        ("from 7.5s to 3.0s", whys.REVERSED),
        ("from 3s to -7s", whys.MINUS),
        ("-3 to 7", whys.MINUS),
        ('{"end": 7, "start": 3}', whys.ORDER),
        ("9999999999999 to 99999999999999", whys.LONG),
        ("the last 130 s", whys.CLIPPED),
        ("5.0s to end", whys.TO_END),
        ("my friend arrives at 5 s", whys.ONE),
        ("first seen at 5 s, until the end", whys.BOTH),
        ("die letzten 5 Sekunden", whys.ENGLISH),
        ("<think>1s to 2s</think><answer>3 to 7</answer>", whys.THINKING),
        ("<think>from 1s to 2s he", whys.THINKING),
        ("Not from 1s to 2s. Final answer: 3s to 7s", whys.THINKING),
    ],
)
def test_the_cause_of_a_window(answer, cause):
    assert whys.window_cause(answer, 100.0) == cause


def test_without_a_duration_the_first_seconds_are_not_read():
    assert whys.window_cause("the first 5 seconds", None) == whys.UNKNOWN
    assert whys.window_cause("the last 5 seconds", None) is None


@pytest.mark.parametrize(
    ("answer", "causes"),
    [
        ("less important: 2 to 4", [whys.LESS]),
        ("very important: 2s to 6s", [whys.GOES_ON]),
        ("less important: 8s to 10s", [whys.LESS, whys.GOES_ON]),
        ("0s to 2s. very important: 4 to 6", [whys.BEFORE]),
        ("low importance: 2 to 4", [whys.IMPORTANCE]),
        ("unimportant: 0 to 4", [whys.WITHIN]),
        ("very important: 4s", [whys.SINGLE]),
        ("important: 4s to 2s", [whys.SINGLE]),
        ("very important: between 1:00 and 1:04", [whys.CLOCK]),
        ("important: [4, 6]", [whys.MISSED]),
        ("important: -3 to 3", [whys.MINUS]),
        ("important: 2 and 3 people", [whys.LOOSE]),
        ("<think>important: 2 to 4</think>important: 6 to 8", [whys.THINKING]),
    ],
)
def test_the_causes_of_highlights(answer, causes):
    assert whys.highlight_causes(answer, 100.0) == causes


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        ("(B)", None),
        ("(E)", readings.FIFTH),
        ("(E) he gives a wave", readings.ARTICLE),
        ("A man walks.", readings.ARTICLE),
        ("the red dog", readings.TEXT),
        ("A or B", readings.SEVERAL),
        ("It is not (B)", readings.DENIED),
        ("(B) wave", readings.LETTER),
    ],
)
def test_the_cause_of_a_choice(response, cause):
    assert choice_cause(response, test_qa.OPTIONS) == cause


anything = st.text() | st.text(alphabet="0123456789:.,-– \nsmintofrendlaveryportc½")


@settings(deadline=None)
@given(anything, st.sampled_from([None, 100.0]))
def test_any_text_has_a_cause_where_it_is_read_differently(answer, duration):
    fixed, official = (parse_windows(answer, duration, p).windows for p in ("fixed", "official"))
    assert (whys.window_cause(answer, duration) in whys.CAUSES) == (fixed != official)
    pair = [parse_highlights(answer, duration, p).levels for p in ("fixed", "official")]
    assert bool(whys.highlight_causes(answer, duration)) == (pair[0] != pair[1])
    choice_cause(answer, test_qa.OPTIONS)


@pytest.mark.parametrize("piece", ["1", "1 ", "1:", "1,", "a", "a ", "1e", "very ", "important"])
def test_a_long_answer_is_explained_in_time(piece):
    answer, began = (piece * 20_000)[:20_000], time.perf_counter()
    whys.window_cause(answer, 100.0)
    whys.highlight_causes(answer, None)
    choice_cause(answer, test_qa.OPTIONS)
    assert time.perf_counter() - began < 4
