"""Verbs that score predictions and render reports."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.data.files import write_text
from groundvts.errors import BadInput, RunFailed
from groundvts.escape import say
from groundvts.verbs.scoring import read_scored, read_scores, scored_inputs, trivial_values


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
    made = Path(options.out).with_suffix(".record.json")
    records.write_json(made, record, {"predictions": Path(options.out)})


def score(options: Namespace) -> None:
    """Scores predictions against their truth; prints the metrics beside trivial predictions."""
    from groundvts.metrics.score import reread, score_predictions
    from groundvts.metrics.tokens import kept_tokens

    inputs, known = scored_inputs(options)
    protocol = options.protocol or known["protocol"]
    settings = {"resamples": options.resamples, "precision": options.precision}
    with records.recording("score", settings, inputs, protocol, known["seed"]) as record:
        moments, predictions = read_scored(options)
        if options.protocol and options.annotations:
            predictions = reread(moments, predictions, protocol)
        record["run"] = options.run or Path(options.predictions).stem
        record |= score_predictions(moments, predictions, protocol, **settings)
        record["kept"] = kept_tokens(options.predictions) if "verb" in known else None
        record["trivial"] = trivial_values(moments, options.precision, options.train)
    records.write_json(options.out, record)
    _print_scores(record)


def _print_scores(record: dict) -> None:
    """A table on the terminal: value, interval, and what trivial predictions reach."""
    trivial = record["trivial"]
    width = max(map(len, record["metrics"]))
    say(" " * width, f"{'value':>7}  {'95 % interval':<17}", *(f"{name:>12}" for name in trivial))
    for name, metric in record["metrics"].items():
        bounds = f"[{metric['low']:.2f}, {metric['high']:.2f}]"
        others = (f"{v[name]:12.2f}" if name in v else " " * 12 for v in trivial.values())
        say(f"{name:<{width}} {metric['value']:7.2f}  {bounds:<17}", *others)
    counts = {**record["counts"], "left out": record["left_out"]}
    say("  ".join(f"{key} {count}" for key, count in counts.items() if key != "left out" or count))


def submission(options: Namespace) -> None:
    """Writes predictions as a QVHighlights submission."""
    from groundvts.data.files import write_jsonl
    from groundvts.metrics.submission import submission as run

    vars(options).update(dataset="qvhighlights", spans=None, durations=None, answers=None)
    scored_inputs(options)
    moments, predictions = read_scored(options)
    write_jsonl(options.out, run(moments, predictions))
    say(f"{options.out}: {len(moments)} queries")


def compare(options: Namespace) -> None:
    """Paired differences between two score records of the same queries."""
    from groundvts.metrics.comparison import compare as run

    inputs = {"ours": options.ours, "theirs": options.theirs}
    settings = {"resamples": options.resamples}
    with records.recording("compare", settings, inputs) as record:
        scored = {name: read_scores(path) for name, path in inputs.items()}
        record["compared"] = {name: _described(found) for name, found in scored.items()}
        record["differences"] = run(scored["ours"], scored["theirs"], options.resamples)
    records.write_json(options.out, record)
    for name, about in record["compared"].items():
        say(f"{name}: {about}")
    width = max(map(len, record["differences"]))
    for name, found in record["differences"].items():
        bounds = f"[{found['low']:+.2f}, {found['high']:+.2f}]"
        say(f"{name:<{width}} {found['value']:+7.2f}  {bounds:<18} p {found['p']:.4f}")


def comparisons(options: Namespace) -> None:
    """Intervals over joined seeds, and paired differences of all variants of one benchmark."""
    from groundvts.metrics.comparison import compare_runs
    from groundvts.report.runs import listed_runs

    inputs = {"runs": options.runs} | {path: path for path in options.scores}
    with records.recording("comparisons", {"resamples": options.resamples}, inputs) as record:
        listed = listed_runs(options.runs)
        variants = {entry["run"]: entry["variant"] for entry in listed}
        seeds = {entry["run"]: entry["seed"] for entry in listed}
        scored: dict[str, dict] = {}
        for path in options.scores:
            found = read_scores(path)
            if found["run"] not in variants:
                raise BadInput(f"{path}: {options.runs} lists no run {found['run']}; add it there")
            if found["run"] in scored:
                raise BadInput(f"{path}: a second record of {found['run']}; give one of each run")
            scored[found["run"]] = found
        groups: dict[str, list[dict]] = {}
        for run in filter(scored.get, variants):
            groups.setdefault(variants[run], []).append(scored[run])
        record["dataset"] = next(iter(scored.values()))["dataset"]
        record["protocol"] = ", ".join(sorted({found["protocol"] for found in scored.values()}))
        record |= compare_runs(groups, options.resamples, seeds=seeds)
    records.write_json(options.out, record)
    say(f"{options.out}: variants {len(record['variants'])}, pairs {len(record['pairs'])}")


def _described(record: dict) -> str:
    """What a score record holds, in one line."""
    keys = ("run", "dataset", "protocol", "precision")
    return ", ".join(str(record[key]) for key in keys if key in record)


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
    from groundvts.report.notebook import render_notebook, shown_run

    parameters = {"results": str(Path(options.results).resolve())}
    parameters |= {"run": options.run} if options.run else {}
    out = Path(options.out)
    report = out.resolve().parent == Path(parameters["results"], "notebooks")
    if report and out.exists() and (shown := shown_run(out)) != options.run:
        raise BadInput(f"{out}: shows the run {shown}, as the tables and figures beside do: name "
                       "that by --run, or another --out")  # fmt: skip
    if not report:
        say(f"{out}: the tables and figures of {options.results} stay as they are")
    render_notebook(options.notebook, out, options.html, parameters, report)


def card(options: Namespace) -> None:
    """Writes a merged folder's model card with the scores of its run."""
    from groundvts.report.card import model_card, read_score

    record = records.read_record(Path(options.model) / "record.json")
    if "modules" not in record.get("check", {}):
        raise BadInput(f"{options.model}: not merged by this version of the kit; merge it again")
    scores = [read_score(path, record["run"]) for path in options.scores]
    write_text(options.out, model_card(record, scores))


def page(options: Namespace) -> None:
    """Writes index.html of a results folder."""
    from groundvts.report.page import write_page

    say(write_page(options.results, options.reference))


def verify(options: Namespace) -> None:
    """Names each record, input and output that is no longer what was written; RunFailed if any."""
    from groundvts.verify import verify as run

    broken, counts = run(options.results)
    for line in broken:
        say(line)
    say("  ".join(f"{key.replace('_', ' ')} {count}" for key, count in counts.items()))
    if broken:
        raise RunFailed(f"{options.results}: {len(broken)} links are broken, listed above: make "
                        "again what they name")  # fmt: skip


def reference(options: Namespace) -> None:
    """Keeps the small records of a results folder and renders the README's table from them."""
    from groundvts.expected import METADATA, save_seconds
    from groundvts.report.readme import save_reference, update

    save_reference(options.results, options.records)
    results = Path(options.results).resolve()
    seconds = Path(options.records, "seconds.json")
    save_seconds(results.name, seconds, results.parent.parent / METADATA)
    update(options.readme, options.records)
