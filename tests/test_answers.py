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
@pytest.mark.parametrize(
    "piece",
    [
        "1 ",
        "between ",
        "1:",
        "1",
        "1 - ",
        "-",
        "1" + " " * 3000,
        "not ",
        ", 1",
        "5s is not ",
        "step 1 to ",
    ],
)
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


# fmt: off
SAID = [  # windows of a video of 100 s, or why there are none
    ("<think>She enters at <timestep>0.00 to 3.20</timestep> ...</think>"
     "<answer>12.54 to 17.83</answer>", [(12.54, 17.83)]),
    ("<think>From 0.0 to 5.0 there is a table. From 5.0 to 9.0 the", "unfinished"),
    ('{"query": "someone puts 2 to 3 books away", "relevant_windows": [["12.0", "15.5"]]}',
     [(12, 15.5)]),
    ("2 bags between 3 and 4 chairs, from 14.0 to 19.0 seconds", [(14, 19)]),
    ("The event's start time is 3.0 seconds and its end time is 9.0 seconds", [(3, 9)]),
    ("opens at 3.2 seconds and finishes at 7.5 seconds", [(3.2, 7.5)]),
    ("The person opens the door at 3.2 seconds and finishes at 7.5 seconds.", [(3.2, 7.5)]),
    ("between timestamps 3.0s and 9.0s", [(3, 9)]),
    ("3.0,9.0 seconds", [(3, 9)]),
    ("3.0, 9.0 seconds", [(3, 9)]),
    ("The moment is at 3.0,9.0 seconds.", [(3, 9)]),
    ("starts at 3 s and lasts until 9 s", [(3, 9)]),
    ("It starts at 3.0 seconds and it lasts until 9.0 seconds", [(3, 9)]),
    ("<timestep>12.54 to 17.83</timestep>", [(12.54, 17.83)]),
    ("[12.54s - 17.83s]", [(12.54, 17.83)]),
    ("00:12 - 00:17", [(12, 17)]),
    ("从12.5秒到17.8秒", [(12.5, 17.8)]),
    ("开始于3秒,结束于9秒", [(3, 9)]),
    ("开始于3秒，结束于9秒。", [(3, 9)]),
    ("开始时间为3.0秒，结束时间为9.0秒", [(3, 9)]),
    ("该事件发生在3.0秒至9.0秒之间。", [(3, 9)]),
    ("3.0s到9.0s", [(3, 9)]),
    ("在视频的第3秒到第9秒", [(3, 9)]),
    ("开始：00:03，结束：00:09", [(3, 9)]),
    ("事件从 00:03 开始，到 00:09 结束", [(3, 9)]),
    ('<thinking>From 1 to 2</thinking>\n\n3.0 - 9.0', [(3, 9)]),
    ("<REASON>From 1 to 2</REASON><ANSWER>3.0 - 9.0</ANSWER>", [(3, 9)]),
    ("From 1 to 2 he sits.</think> From 3.0s to 9.0s.", [(3, 9)]),
    ("<think>a 1 to 2</think>b<think>2 to 4</think><answer>[3, 9]</answer>", [(3, 9)]),
    ("<think>a</think><answer>3.0 to 9.", [(3, 9)]),
    ("<answer>1 to 2</answer> Wait. <answer>3 to 9</answer>", [(3, 9)]),
    ("<think>From 1 to 2 <answer>3 to 9</answer>", [(3, 9)]),
    ("<answer>(3.0, 9.0)</answer>", [(3, 9)]),
    ("<answer><3.0, 9.0></answer>", [(3, 9)]),
    ('<think>1 to 2</think>\\boxed{3.0, 9.0}', [(3, 9)]),
    ('It is \\boxed{[3.0, 9.0]}.', [(3, 9)]),
    ('From 1 to 2 no. \\boxed{3.0 \\text{ to } 9.0}', [(3, 9)]),
    ('starts at \\boxed{3.0} seconds and ends at \\boxed{9.0} seconds', [(3, 9)]),
    ('```json\n{"start_time": 3.0, "end_time": 9.0}\n```', [(3, 9)]),
    ('```json\n[{"start": "00:03", "end": "00:09", "description": "2 to 3 books"}]\n```', [(3, 9)]),
    ('{"description": "2 to 3 books", "timestamps": [3.0, 9.0]}', [(3, 9)]),
    ('{"answer": {"start": 3, "end": 9}}', [(3, 9)]),
    ('{"reasoning": "from 1.0s to 2.0s he sits", "answer": "3.0 to 9.0"}', [(3, 9)]),
    ("{'query': '2 to 3 books', 'windows': [[3, 9], [12, 15]]}", [(3, 9), (12, 15)]),
    ('{"video": "x", "frames": [1, 2], "moment": [3, 9]}', [(3, 9)]),
    ('{"windows": [[3.0, 9.0]], "scores": [0.9, 0.8]}', [(3, 9)]),
    ('{"query": "someone puts 2 to 3 books away", "relevant_windows": [[12.0, 15.5]', [(12, 15.5)]),
    ("Query: someone puts 2 to 3 books away. Time: 12 to 15", [(12, 15)]),
    ('The event "someone puts 2 to 3 books away" happens from 12 to 15.', [(12, 15)]),
    ("someone puts 2 to 3 books away", "no_window"),
    ("First, from 0.0 to 5.0 there is a table. Final answer: from 12.0 to 15.0", [(12, 15)]),
    ("First, from 0.0s to 5.0s. **Final Answer:** 12.0 - 15.0", [(12, 15)]),
    ("From 0 to 5 s nothing. Therefore, the event happens from 12 s to 15 s.", [(12, 15)]),
    ("From 0 to 5 s nothing. The answer is 12 s to 15 s.", [(12, 15)]),
    ("Answer: 12.0, 15.0", [(12, 15)]),
    ('### Answer\n12.0 - 15.0', [(12, 15)]),
    ("The given query happens in 3.0 - 9.0 seconds.", [(3, 9)]),
    ("The event occurs from approximately 3.0s to 9.0s.", [(3, 9)]),
    ("**00:03 - 00:09**", [(3, 9)]),
    ("[00:03, 00:09]", [(3, 9)]),
    ("00:00:03.5 → 00:00:09.0", [(3.5, 9)]),
    ("Start: 3.0s, End: 9.0s", [(3, 9)]),
    ("Start Time: 3.0 | End Time: 9.0", [(3, 9)]),
    ('- **Start:** 00:03\n- **End:** 00:09', [(3, 9)]),
    ('| Start | End |\n|---|---|\n| 3.0 | 9.0 |', [(3, 9)]),
    ("t=3.0s to t=9.0s", [(3, 9)]),
    ("at 3.0s until 9.0s", [(3, 9)]),
    ("between the 3.0 second and the 9.0 second", [(3, 9)]),
    ("3.0 s through 9.0 s", [(3, 9)]),
    ("starts around the 3.0-second mark and ends around the 9.0-second mark", [(3, 9)]),
    ("The event begins at second 3 and concludes at second 9", [(3, 9)]),
    ("<start>3.0</start><end>9.0</end>", [(3, 9)]),
    ("<t_start>3.0</t_start><t_end>9.0</t_end>", [(3, 9)]),
    ("start_time=3.0, end_time=9.0", [(3, 9)]),
    ('start: 3.0\nend: 9.0', [(3, 9)]),
    ("The start timestamp is 3.0 and the end timestamp is 9.0", [(3, 9)]),
    ("The starting time is 3.0 s, while the ending time is 9.0 s", [(3, 9)]),
    ("from second 3.0 to second 9.0", [(3, 9)]),
    ("from 3.0 seconds up to 9.0 seconds", [(3, 9)]),
    ("It appears at 3.0 s, ending at 9.0 s", [(3, 9)]),
    ("3.0s-9.0s", [(3, 9)]),
    ("0:03–0:09", [(3, 9)]),
    ("from 00:03.5 to 00:09.5", [(3.5, 9.5)]),
    ("The video clip from 3 to 9 shows a dog.", [(3, 9)]),
    ("3 to 9 shows the person", [(3, 9)]),
    ("between 3 and 9", [(3, 9)]),
    ("between 3 and 9 shows the dog", [(3, 9)]),
    ("from 3.0s to 9.0s, and from 12.0s to 15.0s", [(3, 9), (12, 15)]),
    ("◁think▷1 to 2◁/think▷3 to 9", [(3, 9)]),
    ("<think>x</think><answer><|begin_of_box|>3.0 to 9.0<|end_of_box|></answer>", [(3, 9)]),
    ("<think>1 to 2</think>", "no_window"),
    ("<SUMMARY>1 to 2</SUMMARY><REASONING>1 to 4</REASONING><CONCLUSION>3 to 9</CONCLUSION>",
     [(3, 9)]),
    ("The relevant segment: 3 seconds – 9 seconds", [(3, 9)]),
    ("The person is seen from the 3-second mark to the 9-second mark.", [(3, 9)]),
    ("from 3.0 sec to 9.0 sec", [(3, 9)]),
    ("[[3.0, 9.0], [12.0, 15.0]]", [(3, 9), (12, 15)]),
    ("Timestamps: 3.0, 9.0", [(3, 9)]),
    ("start=3.0s end=9.0s", [(3, 9)]),
    ("Das Ereignis beginnt bei 3,0 s und endet bei 9,0 s", [(3, 9)]),
    ("L'événement commence à 3,0 s et se termine à 9,0 s", [(3, 9)]),
    ("El evento comienza en 3.0 s y termina en 9.0 s", [(3, 9)]),
    ("開始時間は3秒、終了時間は9秒", [(3, 9)]),
    ("3.0秒から9.0秒", [(3, 9)]),
    ("event started at 3.0 and finished at 9.0", [(3, 9)]),
    ("[3.0s, 9.0s]", [(3, 9)]),
    ("3.0 seconds to 9.0 seconds.", [(3, 9)]),
    ("from 3.0s to the 9.0s", [(3, 9)]),
    ("between 3.0 and 9.0 seconds into the video", [(3, 9)]),
    ("It occurs during 3.0 - 9.0.", [(3, 9)]),
    ("It occurs between 0:03 and 0:09 (6 seconds).", [(3, 9)]),
    ('Starts: 3.0s\nEnds: 9.0s\nDuration: 6.0s', [(3, 9)]),
    ("from 3.0 to 9.0 secs", [(3, 9)]),
    ('Here\'s the result: {"query": "2 to 3 books", "start": 3, "end": 9}', [(3, 9)]),
    ("The span lies at [3.0 , 9.0] of the [0, 30] video", [(3, 9), (0, 30)]),
    ('{"explanation": "1.0 to 2.0 he sits", "output": "5.0 to 9.0"}', [(5, 9)]),
    ('{"thought": "1.0s to 2.0s", "grounding": "5.0 to 9.0"}', [(5, 9)]),
    ('{"moments": [[5.0, 9.0, 0.93]]}', [(5, 9)]),
    ('[[5,9,0.93]]', [(5, 9)]),
    ('[["5.0", "9.0", 1.0]]', [(5, 9)]),
    ('[[5.0,9.0,0.93]]', [(5, 9)]),
    ('{"predictions": [{"label": "x", "t0": 5.0, "t1": 9.0}]}', [(5, 9)]),
    ('[{"t0": 5, "t1": 9}]', [(5, 9)]),
    ('{"result": {"onset": 5, "offset": 9}}', [(5, 9)]),
    ('The answer is not 1.0s to 2.0s but 5.0s to 9.0s', [(5, 9)]),
    ('Not from 1.0s to 2.0s; from 5.0s to 9.0s.', [(5, 9)]),
    ("It isn't from 1.0s to 2.0s, it is from 5.0s to 9.0s", [(5, 9)]),
    ('不是1.0秒到2.0秒，而是5.0秒到9.0秒', [(5, 9)]),
    ('From 5.0s to 9.0s, not from 1.0s to 2.0s', [(5, 9)]),
    ('not between 1.0 and 2.0, but between 5.0 and 9.0', [(5, 9)]),
    ('1.0s to 2.0s is wrong. 5.0s to 9.0s.', [(5, 9)]),
    ('It is 5.0s to 9.0s rather than 1.0s to 2.0s', [(5, 9)]),
    ('From 5.0s to 9.0s instead of [1, 2]', [(5, 9)]),
    ('The score changes from 2 to 3 at 5.0s - 9.0s', [(5, 9)]),
    ('2到3个人在5.0秒到9.0秒出现', [(5, 9)]),
    ('5.0s to 9.0s, 2 to 3', [(5, 9), (2, 3)]),
    ('从5秒持续到9秒', [(5, 9)]),
    ('从5秒一直持续到9秒', [(5, 9)]),
    ('从5秒直到9秒', [(5, 9)]),
    ('5.0 | 9.0', [(5, 9)]),
    ('| 5.0 | 9.0 |', [(5, 9)]),
    ('The score goes from 2 to 3 at 0:05-0:09', [(5, 9)]),
    ('steps 1 to 2: 5.0 to 9.0', [(5, 9)]),
    ('\\(5.0\\) to \\(9.0\\)', [(5, 9)]),
    ('\\[5.0, 9.0\\]', [(5, 9)]),
    ('5.0 to 9.0</s>', [(5, 9)]),
    ('<|im_start|>assistant\n5.0 to 9.0<|im_end|>', [(5, 9)]),
    ('t=5.0s to t=9.0s', [(5, 9)]),
    ('not only from 5.0s to 9.0s', [(5, 9)]),
    ('the man not wearing a hat is seen from 5.0s to 9.0s', [(5, 9)]),
    ('step 1 to 2', "no_window"),
    ('steps 1-2', "no_window"),
    ('Not from 1.0s to 2.0s', "no_window"),
    ('{"explanation": "from 1.0 to 2.0"}', "no_window"),
    ('[1, 2, 3]', "no_window"),
    ('{"answer": ""}', "no_window"),
    ('{"answer": [], "frames": [1, 2]}', "no_window"),
    ('question 1 to 2', "no_window"),
]
# fmt: on


@pytest.mark.parametrize(("answer", "expected"), SAID)
def test_what_released_models_say_is_read(answer, expected):
    parsed = parse_windows(answer, 100.0)
    assert (list(parsed.windows) or parsed.failure) == expected


# fmt: off
ALIKE = [  # all of them say 3 to 9 s
    '<think>Let me see <answer>1 to 2</answer> hmm</think>\n<answer>3.0 to 9.0</answer>',
    'Reasoning: from 0 to 5 a table.\n\nAnswer: [3.0, 9.0]',
    '<answer>{"start": 3.0, "end": 9.0}</answer>',
    '```json\n{\n  "relevant_windows": [\n    {"start": 3.0, "end": 9.0}\n  ]\n}\n```',
    '{"relevant_windows": [{"start_time": "00:03", "end_time": "00:09", "confidence": 0.9}]}',
    '[{"timestamp": [3.0, 9.0], "label": "2 to 3 books"}]', '{"time_range": "3.0s - 9.0s"}',
    '{"start_seconds": 3.0, "end_seconds": 9.0}', '{"timestamps": "3.0,9.0"}',
    '{"timestamp": "00:03-00:09"}', '{"answer": "The event happens from 3.0 to 9.0 seconds."}',
    '{"question": "Who lifts 2 to 3 bags?", "answer": [3.0, 9.0]}',
    '{"description": "between 3 and 4 chairs", "interval": {"from": 3.0, "to": 9.0}}',
    '{"duration": 30.0, "relevant_windows": [[3, 9]]}',
    '{"video_length": 30, "segments": [{"start": 3, "end": 9}]}',
    '{"result": {"query": "between 2 and 4 dogs", "windows": [["3", "9"]]}}',
    "Query: 'between 2 and 4 dogs'. From 3.0 to 9.0.",
    "2 to 3 people walk 4 to 5 dogs at 3.0s to 9.0s", "In the clip 3 to 9 seconds",
    "1. 3.0s - 9.0s", "Event 1: 3.0 - 9.0", "There are 3 to 4 dogs. They run from 3 to 9.",
    '<think>\n\n</think>\n\nFrom 3.0s to 9.0s.', "<THINK>1 to 2</THINK><Answer>3 to 9</Answer>",
    '<think>1 to 2</think>\n<answer>\n3.0 to 9.0\n</answer>\n',
    "<reason>from 0 to 2</reason><time>3.0 to 9.0</time>", "So the final answer is [3.0, 9.0].",
    "**Time:** 0:03 – 0:09", "Time range: 00:03–00:09", "It's 3-9s", "3s to 9s (approx.)",
    "approximately 3 – 9 seconds", "roughly from 3 seconds to 9 seconds",
    "The action takes place at 00:03-00:09.", "from 00:00:03 to 00:00:09", "from 3s until 9s",
    "it begins at 3s, and ends at 9s", "starts: 3, ends: 9", "Start 3 End 9",
    "[start: 3.0, end: 9.0]", "starting from 3.0 seconds to 9.0 seconds",
    "the moment spans 3.0 to 9.0 seconds", "between second 3 and second 9",
    "第3秒至第9秒", "3秒~9秒",
    "视频中3.0-9.0秒", "时间段为[3.0, 9.0]", "从0:03到0:09", "由3秒到9秒",
    "起始时间：3.0秒，结束时间：9.0秒", "起始时间3秒，终止时间9秒",
    "答案：3.0秒到9.0秒", "von Sekunde 3 bis Sekunde 9", "desde el segundo 3 hasta el segundo 9",
    "du second 3 au second 9", "entre 3 et 9 secondes", "da 3 a 9 secondi", "от 3 до 9 секунд",
    "3초부터 9초까지", "3.0초 ~ 9.0초", "3秒から9秒の間", "(3.0s, 9.0s)", "3.0 -> 9.0",
    "3.0 and 9.0",
    "3.0s and 9.0s", "{3.0, 9.0}", "start_time: 00:03, end_time: 00:09",
    "The event happens between the timestamps of 3.0 seconds and 9.0 seconds",
    "timestamps 3.0 to 9.0", "at timestamp 3.0 to 9.0",
    "starts at timestamp 3.0 and ends at timestamp 9.0", "time: 3.0-9.0", "T: 3.0 - 9.0",
    "3.0 sec - 9.0 sec", "3.0secs to 9.0secs", "3.00–9.00 s", "window = [3.0, 9.0]",
    "windows: [[3.0, 9.0]]", "Segment 1: [00:03 - 00:09]",
    "opens at 3.0 seconds and closes at 9.0 seconds", "enters at 3.0 s and leaves at 9.0 s",
    "The event occurs at 3.0 seconds and lasts until 9.0 seconds", "lasts from 3 to 9",
    "goes from 3.0s through 9.0s",
]
# fmt: on


@pytest.mark.parametrize("answer", ALIKE)
def test_one_window_in_many_wordings(answer):
    assert parse_windows(answer, 100.0).windows == ((3.0, 9.0),)


@pytest.mark.parametrize(
    ("answer", "levels", "failure"),
    [
        ("<think>very important: 0s to 2s</think>important: 4s to 6s", {2: 3}, None),
        ("<think>very important: 0s to 2s. From 5", {}, "unfinished"),
        ("<think>a</think><answer>less important: 0s to 2s", {0: 2}, None),
        ('{"very important": [[0, 2]], "important": [[4, 6]]}', {0: 4, 2: 3}, None),
    ],
)
def test_highlights_stand_outside_the_reasoning(answer, levels, failure):
    parsed = parse_highlights(answer, 100.0)
    assert (parsed.levels, parsed.failure) == (levels, failure)


# fmt: off
TAGS = ["<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "{", "}", '{"', '"', "\\", "'",
        '":', '"a":', '{"start": ', '"end": 3, ', "answer: ", "final ", "1 to 2 books, ", "[/a",
        " ", "start and end ", "◁think▷", "答案", "3.0,", "```", "<think>1 to 2</think>"]
# fmt: on


@pytest.mark.parametrize("piece", TAGS)
def test_many_tags_and_quotes_are_read(piece):
    text = (piece * 20_000)[:20_000]
    parsed = parse_windows(text, 100.0)
    assert (parsed.failure is None) == bool(parsed.windows)
    assert all(0 <= clip < 50 for clip in parse_highlights(text, 100.0).levels)


@given(st.lists(st.sampled_from(TAGS)).map("".join))
def test_any_tags_and_quotes_are_read_or_fail_with_a_reason(answer):
    parsed = parse_windows(answer, 100.0)
    assert (parsed.failure is None) == bool(parsed.windows)
    parse_highlights(answer)


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
