"""Verbs that score predictions and render reports."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.errors import BadInput


def constant(options: Namespace) -> None:
    """Fits one window on the training moments and predicts it for every query."""
    from groundvts.data.files import write_jsonl
    from groundvts.data.moment import read_moments
    from groundvts.metrics.constant import fit_constant_window, predict_constant

    inputs = {"train": options.train, "moments": options.moments}
    with records.recording("constant", {}, inputs) as record:
        window = fit_constant_window(read_moments(options.train))
        predictions = predict_constant(read_moments(options.moments), window)
        record["run"], record["window"] = "constant", list(window)
    write_jsonl(options.out, predictions)
    records.write_json(Path(options.out).with_suffix(".record.json"), record)


def score(options: Namespace) -> None:
    """Scores predictions against moments; prints the metrics."""
    from groundvts.data.moment import read_moments
    from groundvts.metrics.score import read_predictions, score_moments

    settings = {"resamples": options.resamples}
    inputs = {"predictions": options.predictions, "annotations": options.annotations}
    made = Path(options.predictions).with_suffix(".record.json")
    known = records.read_record(made) if made.exists() else {"protocol": "fixed", "seed": 0}
    with records.recording("score", settings, inputs, known["protocol"], known["seed"]) as record:
        moments = read_moments(options.annotations)
        other = next((m for m in moments if m.dataset != options.dataset), None)
        if other:
            raise BadInput(f"{options.annotations}: {other.id} is of {other.dataset}: score that")
        record["run"] = options.run or Path(options.predictions).stem
        record |= score_moments(moments, read_predictions(options.predictions), options.resamples)
    records.write_json(options.out, record)
    for name, metric in record["metrics"].items():
        print(f"{name:8} {metric['value']:6.2f}  [{metric['low']:.2f}, {metric['high']:.2f}]")
    print("  ".join(f"{key} {count}" for key, count in record["counts"].items()))


def tokens(options: Namespace) -> None:
    """Recall of tokens by what each stage's sampler keeps (toy clips, whose objects are known).

    `after` holds the stages on the probe's moments, `test` the final model on the test moments.
    """
    from groundvts.data.moment import read_moments
    from groundvts.metrics.score import read_predictions
    from groundvts.metrics.tokens import token_recall

    files = dict(pair.split("=", 1) for pair in options.selections)
    inputs = {"objects": options.objects, "moments": options.moments, **files}
    if options.predictions:
        inputs |= {"predictions": options.predictions, "test_moments": options.test_moments}
    with records.recording("tokens", {"resamples": options.resamples}, inputs) as record:
        moments = read_moments(options.moments)
        objects = json.loads(Path(options.objects).read_text(encoding="utf-8"))
        record["run"] = options.run
        record["after"] = {
            stage: token_recall(moments, read_predictions(file), objects, options.resamples)
            for stage, file in files.items()
        }
        if options.predictions:
            asked = read_moments(options.test_moments)
            predicted = read_predictions(options.predictions)
            record["test"] = token_recall(asked, predicted, objects, options.resamples)
    records.write_json(options.out, record)


def notebook(options: Namespace) -> None:
    """Executes a notebook with papermill and renders it as HTML."""
    from groundvts.report.notebook import render_notebook

    parameters = {"results": str(Path(options.results).resolve())}
    parameters |= {"run": options.run} if options.run else {}
    render_notebook(options.notebook, options.out, options.html, parameters)


def page(options: Namespace) -> None:
    """Writes index.html of a results folder."""
    from groundvts.report.page import write_page

    print(write_page(options.results))


def reference(options: Namespace) -> None:
    """Keeps the small records of a results folder and renders the README's table from them."""
    from groundvts.report.readme import save_reference, update

    save_reference(options.results, options.records)
    update(options.readme, options.records)
