"""The answer grammar: what is built is read back, and nothing is repaired on the way."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundvts.answers import (
    check_time_format,
    format_highlights,
    format_window,
    grade_clips,
    parse_highlights,
    parse_windows,
)
from groundvts.errors import BadInput

tenths = st.integers(min_value=0, max_value=10**9)
clip_levels = st.dictionaries(st.integers(0, 499), st.sampled_from([4, 3, 2]))
JUNK = ["important ", "very ", "less important: 1s to 9s, ", "important 0s to 99999s ", "1 to ",
        "important: " + " " * 3000, "0 to 999999999:59:59 ", "not important; "]  # fmt: skip

PIECES = [
    *("1 ", "1:", "1.", "1,", "1'", "1m", "1 h, ", "1,000,", "1s.", "9" * 9, "-", "~", "..", " "),
    *("[", "to ", "and ", "between ", "de ", "start ", "end at ", "first ", "last 1s ", "after "),
    *("the ", "very ", "important", "frame ", "\ue000", "\ue001", "１", "²", "٣", "从", "秒", "\n"),
]  # fmt: skip


def test_format_is_the_trained_grammar():
    assert format_window(3, 7.5) == "from 3.0s to 7.5s"
    assert format_window(3, 7.5, "{:.2f}") == "from 3.00s to 7.50s"


@given(tenths, tenths)
def test_build_then_parse_is_the_identity(a, b):
    start, end = sorted((a / 10, b / 10))
    parsed = parse_windows(format_window(start, end))
    assert parsed.windows == ((start, end),)
    assert parsed.failure is None


@given(tenths, tenths, st.sampled_from(["{:.1f}", "{:.2f}", "{:g}", "{:06.1f}", "{:,.1f}"]))
def test_any_format_that_passes_the_check_is_read_back(a, b, time_format):
    check_time_format(time_format)
    start, end = sorted((a % 10_000 / 10, b % 10_000 / 10))
    assert parse_windows(format_window(start, end, time_format)).windows == ((start, end),)


@pytest.mark.parametrize(
    "time_format",
    ["{", "{}{}", "{x}", "{:d}", "{:.1e}", "{:.1f}s", "3", "{[0]}", "{.x}", "{:.1f}\nx"],
)
def test_a_time_format_that_cannot_be_read_back_is_refused(time_format):
    with pytest.raises(BadInput, match="time format") as caught:
        check_time_format(time_format)
    assert "\n" not in str(caught.value)


@given(st.text() | st.text(alphabet="0123456789:.,-– smintofrmbewadl\n"))
def test_any_text_is_read_or_fails_with_a_reason(answer):
    parsed = parse_windows(answer)
    assert (parsed.failure is None) == bool(parsed.windows)
    assert all(start <= end for start, end in parsed.windows)


def test_an_end_beyond_the_video_is_kept_and_told():
    parsed = parse_windows("from 3s to 12.5s", duration=10.0)
    assert parsed.windows == ((3.0, 12.5),)
    assert parsed.detail == "ends 2.50 s after the video"


def test_a_later_reversed_interval_is_left_out_and_named():
    parsed = parse_windows("from 3s to 7s, from 9s to\n 8s")
    assert parsed.windows == ((3.0, 7.0),)
    assert parsed.detail == "left out, reversed: 9s to 8s"
    parsed = parse_windows("from 3s to 7s or the last 2 s")
    assert parsed.windows == ((3.0, 7.0),)
    assert parsed.detail == "left out, no_duration: last 2 s"


@pytest.mark.parametrize("protocol", ["fixed", "official"])
@pytest.mark.parametrize("piece", ["1 ", "between ", "1:", "1", "1 - ", "-", "1" + " " * 3000])
def test_long_answers_are_read_in_linear_time(piece, protocol):
    """Eight times as long, about eight times the CPU time; by the square it would be 64 times."""

    def seconds(length: int) -> float:
        began = time.process_time()
        parse_windows(piece * (length // len(piece)), 100.0, protocol)
        return time.process_time() - began

    assert seconds(120_000) < 24 * max(seconds(15_000), 0.01)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4), st.integers())
def test_any_junk_is_read_within_a_second(pieces, seed):
    junk = "".join(random.Random(seed).choices(pieces, k=10_000))[:10_000]
    for protocol in ("fixed", "official"):
        began = time.perf_counter()
        parse_windows(junk, 100.0, protocol)
        parse_highlights(junk, None, protocol)
        assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("grades", "level"),
    [
        ((4, 4, 4), 4),
        ((4, 3), 4),  # a mean of 3.5
        ((4, 4, 2), 3),
        ((3, 2), 3),  # a mean of 2.5
        ((3, 2, 2), 2),
        ((0, 0, 0), 2),
    ],
)
def test_a_clip_is_graded_by_its_raters_mean(grades, level):
    assert grade_clips(((7, grades),)) == {7: level}


@pytest.mark.parametrize("saliency", [((3, ()),), ((-1, (4,)),), ((10**400, (4,)),)])
def test_a_clip_that_cannot_be_graded_is_named(saliency):
    with pytest.raises(BadInput, match=f"clip {saliency[0][0]} "):
        grade_clips(saliency)


def test_neighbouring_clips_of_a_level_are_one_interval_and_the_highest_level_comes_first():
    levels = {9: 2, 2: 4, 3: 4, 4: 3, 10: 4, 5: 3}
    expected = (
        "very important: 4.0s to 8.0s, 20.0s to 22.0s; "
        "important: 8.0s to 12.0s; less important: 18.0s to 20.0s"
    )
    assert format_highlights(levels) == expected
    assert format_highlights({0: 3}, "{:02.0f}") == "important: 00s to 02s"


@given(clip_levels, st.sampled_from(["{:.1f}", "{:.0f}", "{:02.0f}", "{:.2f}", "{:g}"]))
def test_highlights_built_then_parsed_are_the_same(levels, time_format):
    answer = format_highlights(levels, time_format)
    for duration in (1000.0, 999.5, None):
        parsed = parse_highlights(answer, duration)
        assert (parsed.levels, parsed.failure, parsed.detail) == (levels, None, None)


@pytest.mark.parametrize(
    ("answer", "levels"),
    [
        ("less important: 0s to 2s", {0: 2}),
        ("LESS\nIMPORTANT: 0s to 2s; Important: 2s to 4s.", {0: 2, 1: 3}),
        ("not important: 0s to 2s", {0: 2}),
        ("important: 4s to 6s", {2: 3}),  # the clip from 6 s on is not meant
        ("important: 3s to 5s", {1: 3, 2: 3}),  # held in part
        ("important: 3.9s to 4s", {1: 3}),
        ("important: 4s to 4s", {2: 3}),
        ("important: -3s to 3s", {0: 3, 1: 3}),
        ("important: 0s to 6s; very important: 2s to 4s; less important: 0s to 4s",
         {0: 3, 1: 4, 2: 3}),
        ("very important: between 1:00 and 1:04", {30: 4, 31: 4}),
        ("2 and 3 are important: 0s to 2s", {0: 3}),
        ("**Highly important**: [0, 2]; moderately important: first 4 seconds", {0: 4, 1: 3}),
        ("important: the last 4 seconds", {48: 3, 49: 3}),
        ("Nothing is important.", {}),
    ],
)  # fmt: skip
def test_highlights_are_read(answer, levels):
    parsed = parse_highlights(answer, 100.0)
    assert (parsed.levels, parsed.failure, parsed.detail) == (levels, None, None)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("", "no_window"),
        ("important", "no_window"),
        ("very important: 4s", "no_window"),
        ("from 0s to 4s", "no_level"),
        ("unimportant: 0s to 4s", "no_level"),
        ("important: 4s to 2s", "reversed"),
        ("important: 100s to 102s", "outside"),
        ("important: -4s to -2s", "outside"),
    ],
)
def test_what_names_no_highlight_fails(answer, failure):
    parsed = parse_highlights(answer, 100.0)
    assert parsed.levels == {}
    assert parsed.failure == failure


def test_what_is_left_out_of_highlights_is_named():
    parsed = parse_highlights("0s to 1s. Important: 98s to 104s, 200s to 202s, 9s to 3s", 99.0)
    assert parsed.levels == {49: 3}
    assert parsed.failure is None
    assert parsed.detail == (
        "ends after the video: 98s to 104s; left out, no_level: 0s to 1s; "
        "left out, outside: 200s to 202s; left out, reversed: 9s to 3s"
    )


@given(st.text() | st.text(alphabet="verylss important:;0123456789.- to"))
def test_any_text_holds_highlights_or_fails_with_a_reason(answer):
    parsed = parse_highlights(answer, 60.0)
    assert parsed.failure is None or not parsed.levels
    assert all(0 <= clip < 30 and level in (2, 3, 4) for clip, level in parsed.levels.items())


@pytest.mark.parametrize("duration", [None, 1e300, 150.0, 0.0, -1.0])
@pytest.mark.parametrize("piece", JUNK)
def test_ten_thousand_characters_are_read_within_a_second(piece, duration):
    began = time.perf_counter()
    parse_highlights((piece * 10_000)[:10_000], duration)
    assert time.perf_counter() - began < 1
