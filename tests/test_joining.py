"""Records without ids find their moments by video and query, in file order."""

import json

import pytest

from groundvts import cli
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.joining import named_by
from groundvts.metrics.predictions import read_prediction_file


def moment(name: str, video: str, query: str) -> Moment:
    return Moment(name, "d", "test", video, 10.0, query, ((0.0, 5.0),))


def records(tmp_path, *pairs):
    rows = [
        {"video": video, "query": query, "span": [0, 5], "pred": [place, place + 1]}
        for place, (video, query) in enumerate(pairs)
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    return read_prediction_file(tmp_path / "r.json", "d")


def test_a_pair_that_repeats_is_taken_in_order(tmp_path):
    file = records(tmp_path, ("w", "q"), ("v", " q. "), ("v", "q"))
    moments = [moment("a", "v", "q"), moment("b", "w", "q."), moment("c", "v", "q")]
    named = named_by(file, moments)
    assert [(p.id, p.windows[0][0]) for p in named.predictions] == [("b", 0), ("a", 1), ("c", 2)]
    assert named.moments is None
    assert named_by(named, moments) is named


def test_a_record_that_nobody_asks_is_named(tmp_path):
    file = records(tmp_path, ("v", "q"), ("v", "q"))
    with pytest.raises(BadInput, match=r"r\.json, \[1\]: 'q' of v is not asked, or not so often"):
        named_by(file, [moment("a", "v", "q")])


def test_real_records_score_alike_with_their_published_annotations(reference_data, tmp_path):
    words = ["score", "charades_sta", "--resamples", "10", "--out", str(tmp_path / "s.json"),
             "--predictions", str(reference_data / "predictions/distime/charades_1B.json"),
             "--annotations",
             str(reference_data / "annotations/charades_sta/charades_sta_test.txt")]  # fmt: skip
    cli.main(words)
    record = json.loads((tmp_path / "s.json").read_text())
    assert record["counts"] == {"asked": 3720, "scored": 3720, "failed": 0}
    assert round(record["metrics"]["R1@0.5"]["value"], 2) == 56.40
