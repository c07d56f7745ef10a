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


@pytest.mark.parametrize("benchmark", ["charades_sta", "activitynet_captions", "tacos"])
def test_annotations_and_submission_of_moment_detr_score_under_the_benchmarks_name(
    tmp_path, capsys, benchmark
):
    asked = [
        {"qid": number, "query": query, "vid": "3MSZA", "duration": 30.96}
        | {"relevant_windows": [[0.0, 10.0]]}
        for number, query in enumerate(("she sits.", "she stands"))
    ]
    given = [
        {key: row[key] for key in ("qid", "query", "vid")}
        | {"pred_relevant_windows": [[0, 10 - 5 * row["qid"], 0.9], [20, 30, 0.1]]}
        for row in reversed(asked)
    ]
    truth, answers, out = (tmp_path / name for name in ("a.jsonl", "s.jsonl", "score.json"))
    answers.write_text("\n".join(map(json.dumps, given)))
    words = ["score", benchmark, "--annotations", str(truth), "--predictions", str(answers),
             "--resamples", "10", "--out", str(out)]  # fmt: skip
    for text in ("\n".join(map(json.dumps, asked)), json.dumps(asked, indent=1)):
        truth.write_text(text)
        cli.main(words)
        record = json.loads(out.read_text())
        assert (record["dataset"], record["metrics"]["mIoU"]["value"]) == (benchmark, 75.0)
    answers.write_text(answers.read_text().replace("3MSZA", "AAAAA"))
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "'0' is of '3MSZA' and 'she sits.', not of 'AAAAA'" in capsys.readouterr().err
