"""The answer grammar: what is built is read back, and nothing is repaired on the way."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundvts.answers import format_window, parse_windows

tenths = st.integers(min_value=0, max_value=10**9)


def test_format_is_the_trained_grammar():
    assert format_window(3, 7.5) == "from 3.0s to 7.5s"
    assert format_window(3, 7.5, "{:.2f}") == "from 3.00s to 7.50s"


@given(tenths, tenths)
def test_build_then_parse_is_the_identity(a, b):
    start, end = sorted((a / 10, b / 10))
    parsed = parse_windows(format_window(start, end))
    assert parsed.windows == ((start, end),)
    assert parsed.failure is None


@given(st.text() | st.text(alphabet="0123456789:.,-– smintofrmbewad\n"))
def test_any_text_is_read_or_fails_with_a_reason(answer):
    parsed = parse_windows(answer)
    assert (parsed.failure is None) == bool(parsed.windows)
    assert all(start <= end for start, end in parsed.windows)


@pytest.mark.parametrize(
    ("answer", "windows"),
    [
        ("from 3.0s to 7.5s", [(3.0, 7.5)]),
        ("From 3.0 Seconds TO 7.5 Seconds.", [(3.0, 7.5)]),
        ("It happens in 3 - 7 seconds.", [(3, 7)]),
        ("3s–7s", [(3, 7)]),
        ("3.0 to 7", [(3, 7)]),
        ("between 1:05 and 1:20", [(65, 80)]),
        ("1:05 to 1:20", [(65, 80)]),
        ("from 00:01:05 to 1:00:20.5", [(65, 3620.5)]),
        ("1 min 5 s to 1m20s", [(65, 80)]),
        ("from 1 to 2 minutes", [(60, 120)]),
        ("holds 2 and 3 items from 10s to 20s", [(10, 20)]),
        ("from -3s to 7s", [(-3, 7)]),
        ("from 5s to 5s", [(5, 5)]),
        ("from 9s to 12s and from 3s to 7s", [(9, 12), (3, 7)]),
    ],
)
def test_intervals_are_read_in_text_order(answer, windows):
    parsed = parse_windows(answer)
    assert parsed.windows == tuple(windows)
    assert parsed.failure is None


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("at 5s", "one_number"),
        ("at 1:05", "one_number"),
        ("from 7.5s to 3.0s", "reversed"),
        ("", "no_window"),
        ("I cannot tell.", "no_window"),
        ("from nan to inf", "no_window"),
        ("2 and 3 items", "no_window"),
        ("from 3,5s to 7,5s", "no_window"),
        ("between 1:75 and 2:80", "no_window"),
        ("9999999999999 to 99999999999999", "no_window"),
    ],
)
def test_what_is_no_interval_fails(answer, failure):
    parsed = parse_windows(answer)
    assert parsed.windows == ()
    assert parsed.failure == failure


def test_an_end_beyond_the_video_is_kept_and_told():
    parsed = parse_windows("from 3s to 12.5s", duration=10.0)
    assert parsed.windows == ((3.0, 12.5),)
    assert parsed.detail == "ends 2.50 s after the video"


def test_a_later_reversed_interval_is_left_out_and_named():
    parsed = parse_windows("from 3s to 7s, from 9s to\n 8s")
    assert parsed.windows == ((3.0, 7.0),)
    assert parsed.detail == "left out, reversed: 9s to 8s"


@pytest.mark.parametrize("piece", ["1 ", "between ", "1:", "1", "1 - ", "-", "1" + " " * 3000])
def test_long_answers_are_read_in_linear_time(piece):
    began = time.perf_counter()
    parse_windows(piece * (200_000 // len(piece)))
    assert time.perf_counter() - began < 5
