"""One table of answers, read under both protocols: each difference is a fault of `official`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundvts.answers import parse_highlights, parse_windows

SAME = object()  # official reads as fixed does
# Answer, windows or failure under fixed and under official; the video lasts 100 s.
# fmt: off
TABLE = [
    ("from 3.0s to 7.5s", [(3, 7.5)], SAME),
    ("From 3.0 Seconds TO 7.5 Seconds.", [(3, 7.5)], SAME),
    ("3 - 7 seconds", [(3, 7)], SAME),
    ("3.0 to 7", [(3, 7)], SAME),
    ("between 3s and 7s", [(3, 7)], SAME),
    ("from 5s to 5s", [(5, 5)], SAME),
    ("from 100s to 130s", [(100, 130)], SAME),
    ("2 people talk from 5 to 9", [(5, 9)], SAME),
    # numbers that are not the moment
    ("holds 2 and 3 items from 10s to 20s", [(10, 20)], [(2, 3)]),
    ("3 to 5 people talk between 10s and 20s", [(10, 20)], [(3, 5)]),
    ("2 people talk, then 3", "one_number", [(2, 3)]),
    ("from 3% to 7%", "no_window", [(3, 7)]),
    ("from frame 30 to frame 90", "no_window", [(30, 90)]),
    ("3/7", "no_window", [(3, 7)]),
    ("2 and 3 items", "no_window", [(2, 3)]),
    ("starts at 3 s and lasts 4 s", "no_window", [(3, 4)]),
    # several intervals: the first is scored
    ("from 9s to 12s and from 3s to 7s", [(9, 12), (3, 7)], [(9, 12)]),
    ("1. 3s - 7s\n2. 9s - 12s", [(3, 7), (9, 12)], [(3, 7)]),
    ("[[3, 7], [9, 12]]", [(3, 7), (9, 12)], [(3, 7)]),
    ("First 5s to 9s, then 12 to 15", [(5, 9), (12, 15)], [(5, 9)]),
    # reversed, negative
    ("from 7.5s to 3.0s", "reversed", [(7.5, 3)]),
    ("from 7s to 3s, no, 3s to 7s", "reversed", [(7, 3)]),
    ("-3 to 7", [(-3, 7)], [(3, 7)]),
    ("from -3s to 7s", [(-3, 7)], [(3, 7)]),
    ("−3 to 7", [(-3, 7)], [(3, 7)]),
    ("from 3s to -7s", "reversed", [(3, 7)]),
    ("3 -7", [(3, 7)], SAME),
    # none, or one
    ("", "no_window", SAME),
    ("I cannot tell.", "no_window", SAME),
    ("from nan to inf", "no_window", SAME),
    ("9999999999999 to 99999999999999", "no_window", [(9999999999999, 99999999999999)]),
    ("9" * 400 + " to 7", "one_number", "no_window"),
    ("at 12 s", "one_number", SAME),
    ("at 1:05", "one_number", [(1, 5)]),
    ("3,7", "one_number", [(3, 7)]),
    ("from 5 s onwards", "one_number", SAME),
    # counted from the start or the end
    ("the first 5 seconds", [(0, 5)], SAME),
    ("last 5 seconds", [(95, 100)], SAME),
    ("the final 5.5 s", [(94.5, 100)], SAME),
    ("the last 130 s", [(-30, 100)], [(0, 100)]),
    ("the first 130 s", [(0, 130)], [(0, 100)]),
    ("the final half a minute, 30", "one_number", [(70, 100)]),
    ("the first 1.5 minutes", [(0, 90)], [(0, 1.5)]),
    ("after the first 5 seconds", "one_number", [(0, 5)]),
    ("the first 2 people", "no_window", [(0, 2)]),
    ("start to 5 s", [(0, 5)], SAME),
    ("from the beginning of the video until 5 s", [(0, 5)], SAME),
    ("5.0s to end", [(5, 100)], [(95, 100)]),
    ("from 5 s until the end of the video", [(5, 100)], [(95, 100)]),
    ("my friend arrives at 5 s", "one_number", [(95, 100)]),
    ("first seen at 5 s, until the end", [(5, 100)], "one_number"),
    ("from the start at 3 s to the end at 7 s", [(3, 7)], SAME),
    # clocks and other units
    ("between 1:05 and 1:20", [(65, 80)], [(5, 1)]),
    ("1:05 to 1:20", [(65, 80)], [(5, 1)]),
    ("1:05 to 1:20 minutes", [(65, 80)], [(5, 1)]),
    ("from 00:01:05 to 1:00:20.5", [(65, 3620.5)], [(5, 1)]),
    ("00:01:05,5 to 00:01:20,5", [(65.5, 80.5)], [(5, 0)]),
    ("00:01:05,500 --> 00:01:20,250", [(65.5, 80.25)], [(0, 1)]),
    ("between 1:75 and 2:80", "no_window", [(75, 2)]),
    ("1'05\" to 1′20″", [(65, 80)], [(1, 5)]),
    ("1 min 5 s to 1m20s", [(65, 80)], [(5, 1)]),
    ("1 minute and 5 seconds to 80 seconds", [(65, 80)], [(5, 80)]),
    ("from 1 to 2 minutes", [(60, 120)], [(1, 2)]),
    ("from 3000 to 7000 ms", [(3, 7)], [(3000, 7000)]),
    ("0.5 h to 1 h 1 min 5 s", [(1800, 3665)], [(0.5, 1)]),
    ("3 SECS to 7 sec.", [(3, 7)], SAME),
    ("3-second to 7-second", [(3, 7)], SAME),
    ("the 3rd to the 7th second", [(3, 7)], SAME),
    ("from the 3 second mark to the 7 second mark", [(3, 7)], SAME),
    # how numbers are written
    ("from 3,5s to 7,5s", [(3.5, 7.5)], [(5, 7)]),
    ("1,204.5 s to 1,210 s", [(1204.5, 1210)], [(204.5, 1)]),
    ("1.204,5 s bis 1.210,0 s", [(1204.5, 1210)], [(1.204, 5)]),
    ("1\u202f204,5 s à 1\u202f210 s", [(1204.5, 1210)], [(1, 204)]),
    ("0,500 s to 3 s", [(0.5, 3)], [(500, 3)]),
    (".5 s to 3 s", [(0.5, 3)], [(5, 3)]),
    ("3½ s to 7 s", "one_number", [(3, 7)]),
    ("1e3 to 7", "one_number", [(3, 7)]),
    # dashes and arrows
    ("3s–7s", [(3, 7)], SAME),
    ("3s—7s", [(3, 7)], SAME),
    ("3 − 7", [(3, 7)], SAME),
    ("3s~7s", [(3, 7)], SAME),
    ("３秒～７秒", [(3, 7)], SAME),
    ("3...7 s", [(3, 7)], SAME),
    ("3 → 7", [(3, 7)], SAME),
    # markup and labels
    ("[3.0, 7.5]", [(3, 7.5)], SAME),
    ("[3,7]", [(3, 7)], SAME),
    ("[3. 7.]", [(3, 7)], SAME),
    ("3.0, 7.5.", [(3, 7.5)], SAME),
    ("<3.0s - 7.5s>", [(3, 7.5)], SAME),
    ("<3.0s> to <7.5s>", [(3, 7.5)], SAME),
    ("**3.0s** - **7.5s**", [(3, 7.5)], SAME),
    ("**Start:** 3s\n**End:** 7s", [(3, 7)], SAME),
    ('{"start": 3, "end": 7}', [(3, 7)], SAME),
    ('```json\n{"startTime": 3.0,\n "endTime": 7.5}\n```', [(3, 7.5)], SAME),
    ("{'end_time': '0:07', 'start_time': '0:03'}", [(3, 7)], [(0, 7)]),
    ('{"from": 3, "to": 7}', [(3, 7)], SAME),
    ("It starts at 3s. It ends at 7s.", [(3, 7)], SAME),
    ("begins at around 3s and lasts until 7s", [(3, 7)], SAME),
    # other languages
    ("von 3 bis 7", [(3, 7)], SAME),
    ("zwischen 3 und 7 Sekunden", [(3, 7)], SAME),
    ("die letzten 5 Sekunden", [(95, 100)], "one_number"),
    ("5 s bis zum Ende", [(5, 100)], [(95, 100)]),
    ("de 3 à 7 secondes", [(3, 7)], SAME),
    ("les 5 premières secondes", [(0, 5)], "one_number"),
    ("5 s jusqu’à la fin", [(5, 100)], "one_number"),
    ("de 3 a 7", [(3, 7)], SAME),
    ("entre 3 y 7 segundos", [(3, 7)], SAME),
    ("dal secondo 3 al secondo 7", [(3, 7)], SAME),
    ("van 3 tot 7 seconden", [(3, 7)], SAME),
    ("с 3 по 7 секунду", [(3, 7)], SAME),
    ("od 3 do 7", [(3, 7)], SAME),
    ("从第3秒开始到第7秒结束", [(3, 7)], SAME),
    ("在3秒和7秒之间", [(3, 7)], SAME),
    ("1分5秒至1分20秒", [(65, 80)], [(1, 5)]),
    ("最后5秒", [(95, 100)], "one_number"),
    ("开始时间：3秒，结束时间：7秒", [(3, 7)], SAME),
    ("3秒から7秒まで", [(3, 7)], SAME),
    ("最初の5秒", [(0, 5)], "one_number"),
    ("3초에서 7초까지", [(3, 7)], SAME),
    ("من ٣ إلى ٧ ثانية", [(3, 7)], SAME),
]
# Answer, levels under fixed and under official; the video lasts 11 s and has 6 clips.
HIGHLIGHTS = [
    ("very important: 2.0 to 6.0", {1: 4, 2: 4}, SAME),
    ("very important: 2.0s to 6.0s", {1: 4, 2: 4}, {1: 4, 2: 4, 3: 4}),
    ("less important: 2 to 4", {1: 2}, {1: 3}),
    ("not important: 2 to 4", {1: 2}, {1: 3}),
    ("low importance: 2 to 4", {}, {1: 2}),
    ("medium importance: 2 to 4", {}, {1: 3}),
    ("Extremely important: 2 to 4; moderately important: 4-6", {1: 4, 2: 3}, SAME),
    ("2 to 4", {}, {1: 3}),
    ("0s to 2s. very important: 4 to 6", {2: 4}, {0: 3, 1: 3, 2: 4}),
    ("very important: 4s", {}, {2: 4}),
    ("important: 2 to 8; very important: 4 to 6", {1: 3, 2: 4, 3: 3}, SAME),
    ("important: 3 to 5", {1: 3, 2: 3}, SAME),
    ("important: 8 to 4", {}, SAME),
    ("important: 8s to 4s", {}, {4: 3, 2: 3}),
    ("important: 8 to 40", {4: 3, 5: 3}, SAME),
    ("The highlights are: very important from 2.0s to 4.0s, 4.0s to 6.0s; less important from "
     "8.0s to 10.0s", {1: 4, 2: 4, 4: 2}, {1: 4, 2: 4, 3: 4, 4: 3, 5: 3}),
    ("Nothing is important.", {}, SAME),
    ("", {}, SAME),
]
# fmt: on
NAIVE = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:s|sec|seconds)?\s*(?:and|to|-|–|—)\s*(\d+(?:\.\d+)?)", re.IGNORECASE
)


@pytest.mark.parametrize(("answer", "fixed", "official"), TABLE)
def test_an_answer_under_both_protocols(answer, fixed, official):
    for protocol, expected in (("fixed", fixed), ("official", official)):
        expected = fixed if expected is SAME else expected
        parsed = parse_windows(answer, 100.0, protocol)
        assert (list(parsed.windows) or parsed.failure) == expected
        assert (parsed.failure is None) == bool(parsed.windows)


@pytest.mark.parametrize("protocol", ["fixed", "official"])
@pytest.mark.parametrize("answer", ["the last 5 seconds", "5.0s to the end"])
def test_what_counts_from_the_end_needs_the_duration(answer, protocol):
    parsed = parse_windows(answer, None, protocol)
    assert (parsed.windows, parsed.failure) == ((), "no_duration")


@pytest.mark.parametrize(("answer", "fixed", "official"), HIGHLIGHTS)
def test_highlights_under_both_protocols(answer, fixed, official):
    expected = fixed if official is SAME else official
    assert parse_highlights(answer, 11.0).levels == fixed
    assert parse_highlights(answer, 11.0, "official").levels == expected


@given(st.text() | st.text(alphabet="0123456789.,-– \nstoandec:"))
def test_official_is_the_plain_search_in_linear_time(answer):
    found = NAIVE.search(answer.lower())
    parsed = parse_windows(answer, None, "official")
    if found:
        assert parsed.windows == ((float(found[1]), float(found[2])),)
    else:
        numbers = re.findall(r"\d+(?:\.\d+)?", answer)[:2]
        assert len(parsed.windows) == len(numbers) // 2


def test_a_perfect_answer_scores_as_measured_with_the_released_code(reference_data, tmp_path):
    from groundvts.answers import grade_clips
    from groundvts.data.convert import convert
    from groundvts.data.moment import read_moments
    from groundvts.metrics.highlights import highlight_scores

    names = {4: "very important", 3: "important", 2: "less important"}
    annotations = reference_data / "annotations/qvhighlights/highlight_val_release.jsonl"
    convert("qvhighlights", "val", annotations, out=tmp_path)
    moments = read_moments(tmp_path / "moments.jsonl")
    for protocol, expected in (("fixed", 52.18), ("official", 42.06)):
        saliency = []
        for moment in moments:
            levels = grade_clips(moment.saliency)
            spans = {level: [] for level in names}
            for clip in sorted(levels):
                spans[levels[clip]].append(f"{2 * clip:.1f}s to {2 * clip + 2:.1f}s")
            groups = [f"{names[k]} from {', '.join(times)}" for k, times in spans.items() if times]
            answer = "The highlights are: " + "; ".join(groups)
            read = parse_highlights(answer, moment.duration, protocol).levels
            saliency.append([read.get(clip, 0) for clip in range(max(read) + 1)])
        value = highlight_scores(moments, saliency)["HD-mAP-VeryGood"].mean()
        assert round(value, 2) == expected
