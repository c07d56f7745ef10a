"""Verbs that score predictions and render reports."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.errors import BadInput
from groundvts.verbs.settings import keep_inputs


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
    """Scores predictions against their truth; prints the metrics beside trivial predictions."""
    from groundvts.data.truth import read_truth
    from groundvts.metrics.joining import match_predictions, named_by
    from groundvts.metrics.predictions import read_prediction_file
    from groundvts.metrics.score import point_values, reread, score_predictions
    from groundvts.metrics.trivial import trivial_predictions

    given = {"annotations": options.annotations, "spans": options.spans}
    inputs = {"predictions": options.predictions} | {k: v for k, v in given.items() if v}
    keep_inputs(inputs.values(), options.out)
    made = Path(options.predictions).with_suffix(".record.json")
    known = records.read_record(made) if made.exists() else {"protocol": "fixed", "seed": 0}
    protocol = options.protocol or known["protocol"]
    settings = {"resamples": options.resamples, "precision": options.precision}
    with records.recording("score", settings, inputs, protocol, known["seed"]) as record:
        file = read_prediction_file(options.predictions, options.dataset)
        moments = list(file.moments or ())
        if options.annotations:
            moments = read_truth(
                options.dataset, options.annotations, options.durations, options.spans
            )
            file = named_by(file, moments)
        elif not moments:
            raise BadInput(f"{options.predictions}: holds no truth; name it by --annotations")
        other = next((m for m in moments if m.dataset != options.dataset), None)
        if other:
            raise BadInput(f"{options.annotations}: {other.id} is of {other.dataset}: score that")
        matched = match_predictions(file, moments, options.complete)
        if options.protocol and file.moments is None:
            matched = reread(moments, matched, options.protocol)
        record["run"] = options.run or Path(options.predictions).stem
        record |= score_predictions(moments, matched, protocol, **settings)
        record["trivial"] = {
            name: point_values(moments, predictions, precision=options.precision)
            for name, predictions in trivial_predictions(moments).items()
            if name in ("whole video", "centre half") or options.dataset == "qvhighlights"
        }
    records.write_json(options.out, record)
    _print_scores(record)


def _print_scores(record: dict) -> None:
    """A table on the terminal: value, interval, and what trivial predictions reach."""
    trivial = record["trivial"]
    width = max(map(len, record["metrics"]))
    print(" " * width, f"{'value':>7}  {'95 % interval':<17}", *(f"{name:>12}" for name in trivial))
    for name, metric in record["metrics"].items():
        bounds = f"[{metric['low']:.2f}, {metric['high']:.2f}]"
        others = (f"{v[name]:12.2f}" if name in v else " " * 12 for v in trivial.values())
        print(f"{name:<{width}} {metric['value']:7.2f}  {bounds:<17}", *others)
    print("  ".join(f"{key} {count}" for key, count in record["counts"].items()))


def submission(options: Namespace) -> None:
    """Writes predictions as a QVHighlights submission."""
    from groundvts.data.files import write_jsonl
    from groundvts.data.truth import read_truth
    from groundvts.metrics.joining import match_predictions
    from groundvts.metrics.predictions import read_prediction_file
    from groundvts.metrics.submission import submission as run

    keep_inputs([options.predictions, options.annotations], options.out)
    moments = read_truth("qvhighlights", options.annotations)
    file = read_prediction_file(options.predictions, "qvhighlights")
    write_jsonl(options.out, run(moments, match_predictions(file, moments)))
    print(f"{options.out}: {len(moments)} queries")


def compare(options: Namespace) -> None:
    """Paired differences between two score records of the same queries."""
    from groundvts.metrics.score import compare as run

    inputs = {"ours": options.ours, "theirs": options.theirs}
    keep_inputs(inputs.values(), options.out)
    settings = {"resamples": options.resamples}
    with records.recording("compare", settings, inputs) as record:
        ours, theirs = (records.read_record(path) for path in inputs.values())
        for path, scored in ((options.ours, ours), (options.theirs, theirs)):
            if not {"scores", "queries"} <= set(scored):
                raise BadInput(f"{path}: no score record with its queries; make it by score")
        record["differences"] = run(ours, theirs, options.resamples)
    records.write_json(options.out, record)
    width = max(map(len, record["differences"]))
    for name, found in record["differences"].items():
        bounds = f"[{found['low']:+.2f}, {found['high']:+.2f}]"
        print(f"{name:<{width}} {found['value']:+7.2f}  {bounds:<18} p {found['p']:.4f}")


def tokens(options: Namespace) -> None:
    """Recall of tokens by what each stage's sampler keeps (toy clips, whose objects are known).

    `after` holds the stages on the probe's moments, `test` the final model on the test moments.
    """
    from groundvts.data.moment import read_moments
    from groundvts.metrics.tokens import read_selections, token_recall

    files = dict(pair.split("=", 1) for pair in options.selections)
    inputs = {"objects": options.objects, "moments": options.moments, **files}
    if options.predictions:
        inputs |= {"predictions": options.predictions, "test_moments": options.test_moments}
    with records.recording("tokens", {"resamples": options.resamples}, inputs) as record:
        moments = read_moments(options.moments)
        objects = json.loads(Path(options.objects).read_text(encoding="utf-8"))
        record["run"] = options.run
        record["after"] = {
            stage: token_recall(moments, read_selections(file), objects, options.resamples)
            for stage, file in files.items()
        }
        if options.predictions:
            asked = read_moments(options.test_moments)
            predicted = read_selections(options.predictions)
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
