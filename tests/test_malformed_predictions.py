"""Malformed files of predictions: each is one clear line."""

import json
import re

import pytest
from test_predictions import OWN, QUESTION, RECORD, SUBMITTED, write

from groundvts.errors import BadInput
from groundvts.metrics.predictions import read_prediction_file

NAN, HUGE = float("nan"), 10**400
DEEP = "[" * 100_000
MALFORMED = {
    "empty": ("", ": holds no record; check"),
    "blank": (" \n\r\n", ": holds no record; check"),
    "empty list": ([], ": holds no record; check"),
    "byte order mark alone": (b"\xef\xbb\xbf", ": holds no record; check"),
    "a number": ("3", ", line 1: not a JSON object"),
    "a text": ('"pred"', ", line 1: not a JSON object"),
    "a pretty object": ('{\n"id": "a"}', ", [0]: neither of windows, saliency, answer"),
    "a broken pretty object": ('{\n"id": "a",\n', ", line 3: not valid JSON"),
    "an object of lists": ('{"7": [[3, 7]], "8": [[1, 2]]}', ", 7: not an object: a list"),
    "an object of lists in lines": ('{\n"7": [[3, 7]],\n"8": []}', ", 7: not an object: a list"),
    "broken line": (json.dumps(OWN) + "\n{", ", line 2: not a JSON object"),
    "cut line": (json.dumps(OWN)[:-3], ", line 1: not a JSON object"),
    "broken list": ('[{"pred":\n }]', ", line 2: not valid JSON"),
    "cut list": (json.dumps([RECORD])[:-1], ", line 1: not valid JSON"),
    "list and more": ("[]\n[]", ", line 2: not valid JSON"),
    "nested deeply": (DEEP, ": nested too deeply"),
    "nested line": ('{"id": ' + DEEP, ", line 1: not a JSON object"),
    "list in list": ([[RECORD]], ", [0]: not an object: a list"),
    "null in list": ([RECORD, None], ", [1]: not an object"),
    "list in lines": (json.dumps(OWN) + "\n[]", ", line 2: not a JSON object"),
    "utf-16": (json.dumps(OWN).encode("utf-16"), ", line 1: "),
    "not utf-8": (b'{"id": "\xff", "windows": []}', ", line 1: byte 9 of the line is not UTF-8"),
    "not utf-8 list": (b'[\n{"id": "\xff", "windows": []}]', ", line 2: byte 9 of the line"),
    "csv": ("qid,start,end\n1,2,3\n", ", line 1: not a JSON object"),
    "a key twice": ('{"id": "a", "id": "b", "windows": []}', ", line 1: key stands twice: 'id'"),
    "a key twice in a list": ('[{"pred": 1, "pred": 2}]', ", pred: key stands twice"),
    "no known key": ([{"text": "x"}], ", [0]: no `id`, `qid` or `pred`"),
    "no values": ([OWN, {"id": "b"}], ", [1]: neither of windows, saliency, answer"),
    "qid alone": (({"qid": 1},), ", line 1: neither of pred_relevant_windows, pred_sal"),
    "mixed": ((OWN, SUBMITTED), ", line 2: another layout than the first"),
    "mixed list": ([RECORD, OWN], ", [1]: another layout than the first"),
    "windows in some": (
        (SUBMITTED, {"qid": 8, "pred_saliency_scores": [1]}),
        ", line 2: no `pred_relevant_windows`, unlike other records",
    ),
    "saliency in some": (
        ({"qid": 8, "pred_relevant_windows": []}, SUBMITTED),
        ", line 1: no `pred_saliency_scores`, unlike other records",
    ),
    "id is null": ([OWN | {"id": None}], ", [0]: id is no text or whole number: null"),
    "id is a bool": ([OWN | {"id": True}], ", [0]: id is no text or whole number: True"),
    "id is blank": ([OWN | {"id": " "}], ", [0]: id is no text or whole number: ' '"),
    "id is a list": ([OWN | {"id": ["a"]}], ", [0]: id is no text or whole number: a list"),
    "qid is a fraction": ([SUBMITTED | {"qid": 1.5}], ", [0]: qid is no text or whole number: 1.5"),
    "failure is a number": ([OWN | {"failure": 1}], ", [0]: failure is no text: 1"),
    "answer is a list": ([OWN | {"answer": ["x"]}], ", [0]: answer is no text: a list"),
    "a pass's answer is a list": (
        [OWN | {"question": {"answer": ["A"]}}],
        ", [0]: question: answer is no text: a list",
    ),
    "a pass's failure is a number": (
        [OWN | {"highlights": {"answer": "x", "failure": 3}}],
        ", [0]: highlights: failure is no text: 3",
    ),
    "windows are text": ([OWN | {"windows": "0-5"}], ", [0]: windows is no list of at most 1000"),
    "windows are an object": ([OWN | {"windows": {"s": 1}}], ", [0]: windows is no list"),
    "windows are flat": ([OWN | {"windows": [0, 5]}], ", [0]: windows holds no [start, end]: 0"),
    "windows are many": ([OWN | {"windows": [[0, 1]] * 1001}], "at most 1000: 1001 of them"),
    "a window is a text": ([OWN | {"windows": ["0 5"]}], ", [0]: windows holds no [start, end]"),
    "a window is nested": ([OWN | {"windows": [[[0, 5]]]}], ", [0]: windows holds no [start"),
    "a window of one": ([OWN | {"windows": [[5]]}], ", [0]: windows holds no [start, end]: a list"),
    "a window of four": ([OWN | {"windows": [[1, 2, 3, 4]]}], ", [0]: windows holds no [start"),
    "times are texts": ([OWN | {"windows": [["0", "5"]]}], ", [0]: windows holds no finite number"),
    "times are bools": ([OWN | {"windows": [[False, True]]}], "no finite number up to 1e12: False"),
    "huge": ([RECORD | {"pred": [0, HUGE]}], ", [0]: pred holds no finite number"),
    "absurd": ([RECORD | {"pred": [0, 1e300]}], ", [0]: pred holds no finite number up to 1e12"),
    "scores of some": (
        [SUBMITTED | {"pred_relevant_windows": [[0, 1, 0.5], [0, 1]]}],
        ", [0]: pred_relevant_windows has windows with a score and without",
    ),
    "saliency is a number": (
        [SUBMITTED | {"pred_saliency_scores": 1}],
        ", [0]: pred_saliency_scores is no list of at most 43200: 1",
    ),
    "saliency holds lists": ([SUBMITTED | {"pred_saliency_scores": [[1]]}], "1e12: a list"),
    "saliency is long": (
        [SUBMITTED | {"pred_saliency_scores": [0] * 43_201}],
        "no list of at most 43200: 43201 of them",
    ),
    "no pred": ([{"video": "v", "query": "q", "span": [0, 1]}], ", [0]: no `pred`; add it"),
    "no span": ([{"video": "v", "query": "q", "pred": [0, 1]}], ", [0]: no `span`; add it"),
    "span is null": ([RECORD | {"span": None}], ", [0]: span holds no window [start, end]"),
    "span is empty": ([RECORD, RECORD | {"span": []}], ", [1]: span holds no window"),
    "span holds a null": ([RECORD | {"span": [1, None]}], ", [0]: span holds no window"),
    "span holds NaN": ([RECORD | {"span": [1, NAN]}], ", [0]: span holds no window [start, end]"),
    "span is reversed": ([RECORD | {"span": [[1, 2], [7, 3]]}], ", [0]: span holds no window"),
    "span has scores": ([RECORD | {"span": [[1, 2, 3]]}], ", [0]: span holds no window [start"),
    "span is a text": ([QUESTION | {"span": ""}], ", [0]: span is no list"),
    "no video": ([RECORD | {"video": None}], ", [0]: video is no text or whole number: null"),
    "vid is a list": ([RECORD | {"vid": []}], ", [0]: vid is no text or whole number: a list"),
    "no query": ([RECORD | {"query": None}], ", [0]: no text `query` or `question`; add it"),
    "query is a number": ([RECORD | {"query": 3}], ", [0]: query is no text: 3"),
    "duration is NaN": ([RECORD | {"duration": NAN}], ", [0]: duration is no positive number: nan"),
    "duration is zero": ([RECORD | {"duration": 0}], ", [0]: duration is no positive number: 0"),
    "no options": ([RECORD | {"ans": "A"}], ", [0]: options are no list of 2 to 26 texts"),
    "one option": ([QUESTION | {"options": ["a"]}], ", [0]: options are no list of 2 to 26"),
    "many options": ([QUESTION | {"options": ["a"] * 27}], ", [0]: options are no list of 2 to 26"),
    "options are numbers": ([QUESTION | {"options": [1, 2]}], ", [0]: options are no list"),
    "no ans": ([QUESTION | {"ans": None}], ", [0]: ans is no option: null or missing"),
    "ans is a bool": ([QUESTION | {"ans": True}], ", [0]: ans is no option: True"),
    "ans is too high": ([QUESTION | {"ans": 3}], ", [0]: ans is no option: 3"),
    "ans is negative": ([QUESTION | {"ans": -1}], ", [0]: ans is no option: -1"),
    "ans is unknown": ([QUESTION | {"ans": "D"}], ", [0]: ans is no option: 'D'"),
    "response is a list": ([QUESTION | {"response": ["B"]}], ", [0]: response is no text: a list"),
    "no response": (
        [RECORD | {"options": ["a", "b"], "ans": "A"}],
        ", [0]: no `response` to the question; add it",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_line_of_bad_input(tmp_path, name):
    content, message = MALFORMED[name]
    path = write(tmp_path, content)
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        read_prediction_file(path, "d")
    line = str(caught.value)
    assert line.startswith(f"{path}")
    assert line.isprintable()
    assert len(line) < 300 + len(str(path))
    assert "; " in line.removeprefix(str(path))


def test_a_file_that_cannot_be_read_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"no\.json: No such file"):
        read_prediction_file(tmp_path / "no.json", "d")
    with pytest.raises(BadInput, match="not a regular file"):
        read_prediction_file(tmp_path, "d")


# ---- joining
