"""What each verb of the command does: read its inputs, call the library, write outputs and record.

Heavy libraries are imported by the verbs that need them.
"""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import yaml

from groundvts import records
from groundvts.errors import BadInput


def _settings(text: str) -> dict:
    """Settings given as inline JSON or as the name of a YAML or JSON file."""
    try:
        if not text.lstrip().startswith("{"):
            text = Path(text).read_text(encoding="utf-8")
        settings = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"--settings: {error}") from None
    if not isinstance(settings, dict):
        raise BadInput("--settings: neither inline JSON nor a file that holds a mapping")
    return settings


def convert(options: Namespace) -> None:
    """Converts a published annotation file; prints what was found."""
    from groundvts.data.convert import convert as run

    found = run(
        options.dataset, options.split, options.annotations, options.durations, Path(options.out)
    )
    kinds = ", ".join(f"{n} {kind}" for kind, n in found["counts"].get("findings", {}).items())
    print(f"{options.out}: {found['counts']['records']} records; findings: {kinds or 'none'}")


def toy_benchmark(options: Namespace) -> None:
    """Makes the toy benchmark: settings `seed`, `side` and `clips`."""
    from groundvts.data.frames import available_cores
    from groundvts.toy.benchmark import make_benchmark

    settings, out = _settings(options.settings), Path(options.out)
    with records.recording("toy-benchmark", settings, {}, seed=settings["seed"]) as record:
        record["counts"] = make_benchmark(
            out, workers=options.workers or available_cores(), **settings
        )
    records.write_json(out / "record.json", record)


def toy_base(options: Namespace) -> None:
    """Makes the toy base: settings of `toy.base` and a seed."""
    from groundvts.data.conversations import read_conversations
    from groundvts.data.frames import FrameCache
    from groundvts.toy.base import BaseSettings, make_base

    settings, out = _settings(options.settings), Path(options.out)
    names = ("questions", "grounding", "frames", "objects")
    inputs = {name: getattr(options, name) for name in names}
    with records.recording("toy-base", settings, inputs, seed=settings["seed"]) as record:
        record |= make_base(
            out,
            BaseSettings(**settings),
            read_conversations(Path(options.questions)),
            read_conversations(Path(options.grounding)),
            FrameCache(options.frames),
            json.loads(Path(options.objects).read_text(encoding="utf-8")),
        )
    records.write_json(out / "record.json", record)


def conversations(options: Namespace) -> None:
    """Writes training conversations; settings `protocol`, `prompts_file`, `time_format`."""
    from groundvts.data import conversations as library
    from groundvts.data.moment import read_moments

    settings = _settings(options.settings)
    prompts = library.Prompts.load(settings["protocol"], settings["prompts_file"])
    if options.llava_video:
        written = library.question_conversations(Path(options.llava_video), prompts)
    else:
        moments = read_moments(options.moments)
        written = library.grounding_conversations(moments, prompts, settings["time_format"])
    library.write_conversations(Path(options.out), written)
    print(f"{options.out}: {len(written)} conversations")


def frames(options: Namespace) -> None:
    """Decodes the videos that the files of --names ask for; settings of `frames`."""
    from groundvts.data.frames import build_frame_cache
    from groundvts.data.moment import is_plain_name, read_jsonl
    from groundvts.data.video import FrameSampling

    settings, folder = _settings(options.settings), Path(options.videos)
    names = {str(row["video"]) for file in options.names for _, row in read_jsonl(file)}
    files = {path.stem: path for path in sorted(folder.iterdir())}
    videos = {n: files.get(n, folder / f"{n}.mp4") for n in sorted(names) if is_plain_name(n)}
    timeout = settings.pop("timeout")
    build_frame_cache(
        videos, options.out, FrameSampling(**settings), options.workers, timeout_s=timeout
    )


def features(options: Namespace) -> None:
    """Runs a model's frozen vision tower over a frame cache."""
    from groundvts.data.features import build_feature_cache
    from groundvts.data.frames import FrameCache
    from groundvts.data.inputs import Encoder
    from groundvts.models.load import load_model

    cache = FrameCache(options.frames)
    build_feature_cache(load_model(options.model), Encoder(options.model), cache, Path(options.out))


def train(options: Namespace) -> None:
    """Trains one stage; settings `seed`, `vts`, `stage`, `prompts_file`."""
    from groundvts.data.conversations import Prompts, read_conversations
    from groundvts.data.features import FeatureCache
    from groundvts.data.moment import read_moments
    from groundvts.training.stages import StageSettings
    from groundvts.training.train import StageRun, train_stage

    settings = _settings(options.settings)
    out = Path(options.out)
    inputs = {"base": options.base, "conversations": options.conversations}
    inputs |= {"previous": options.previous} if options.previous else {}
    with records.recording("train", settings, inputs, seed=settings["seed"]) as record:
        job = StageRun(
            run=options.run,
            stage=options.stage,
            base=options.base,
            previous=Path(options.previous) if options.previous else None,
            vts=settings["vts"],
            settings=StageSettings.from_dict(settings["stage"]),
            seed=settings["seed"],
            checkpoints=Path(options.checkpoints),
            out=out,
        )
        record |= train_stage(
            job,
            read_conversations(Path(options.conversations)),
            FeatureCache(options.features),
            read_moments(options.probe),
            FeatureCache(options.probe_features),
            Prompts.load(settings["protocol"], settings["prompts_file"]),
            records.fingerprint(settings, record["inputs"]),
        )
    records.write_json(out / "record.json", record)


def merge(options: Namespace) -> None:
    """Merges an adapter; settings `vts`, `seed`, `frames`, `prompts_file`."""
    from groundvts.data.conversations import Prompts
    from groundvts.data.features import FeatureCache
    from groundvts.data.inputs import Encoder
    from groundvts.data.moment import read_moments
    from groundvts.inference.predict import prompt_batch
    from groundvts.training.merge import merge as run

    settings, out = _settings(options.settings), Path(options.out)
    inputs = {"base": options.base, "adapter": options.adapter}
    with records.recording("merge", settings, inputs, seed=settings["seed"]) as record:
        prompts = Prompts.load(settings["protocol"], settings["prompts_file"])
        source, encoder = FeatureCache(options.features), Encoder(options.base)
        moments = [m for m in read_moments(options.moments) if m.video in source.videos][:8]
        batch = prompt_batch(encoder, source, moments, prompts)
        manifest = {"run": options.run, "protocol": settings["protocol"],
                    "frames": settings["frames"], "prompts": prompts.templates}  # fmt: skip
        record["run"] = options.run
        record["check"] = run(
            options.base, Path(options.adapter), settings["vts"], batch, manifest, out
        )
    records.write_json(out / "record.json", record)


def infer(options: Namespace) -> None:
    """Answers every query; settings `batch_size`, `max_new_tokens`, `prompts_file`."""
    from groundvts.data.conversations import Prompts
    from groundvts.data.features import FeatureCache
    from groundvts.data.inputs import Encoder
    from groundvts.data.moment import read_moments, write_jsonl
    from groundvts.inference.predict import predict
    from groundvts.models.load import load_model

    settings, out = _settings(options.settings), Path(options.out)
    inputs = {"model": options.model, "moments": options.moments}
    with records.recording("infer", settings, inputs) as record:
        model, source = load_model(options.model), FeatureCache(options.features)
        source.check(model)
        predictions = predict(
            model,
            Encoder(options.model),
            source,
            read_moments(options.moments),
            Prompts.load(settings["protocol"], settings["prompts_file"]),
            settings["batch_size"],
            settings["max_new_tokens"],
            label=f"{options.run} infer",
        )
        failed = sum(entry["failure"] is not None for entry in predictions)
        asked = len(predictions)
        record["run"] = options.run
        record["counts"] = {"asked": asked, "scored": asked - failed, "failed": failed}
    write_jsonl(out, predictions)
    records.write_json(out.with_suffix(".record.json"), record)


def constant(options: Namespace) -> None:
    """Fits one window on the training moments and predicts it for every query."""
    from groundvts.data.moment import read_moments, write_jsonl
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
    with records.recording("score", settings, inputs) as record:
        moments = read_moments(options.annotations)
        record["run"] = options.run or Path(options.predictions).stem
        record |= score_moments(moments, read_predictions(options.predictions), options.resamples)
    records.write_json(options.out, record)
    for name, metric in record["metrics"].items():
        print(f"{name:8} {metric['value']:6.2f}  [{metric['low']:.2f}, {metric['high']:.2f}]")
    print("  ".join(f"{key} {count}" for key, count in record["counts"].items()))


def tokens(options: Namespace) -> None:
    """Recall of tokens by what each stage's scorer keeps (toy clips, whose objects are known)."""
    from groundvts.data.moment import read_moments
    from groundvts.metrics.score import read_predictions
    from groundvts.metrics.tokens import token_recall

    files = dict(pair.split("=", 1) for pair in options.selections)
    inputs = {"objects": options.objects, "moments": options.moments, **files}
    with records.recording("tokens", {"resamples": options.resamples}, inputs) as record:
        moments = read_moments(options.moments)
        objects = json.loads(Path(options.objects).read_text(encoding="utf-8"))
        record["run"] = options.run
        record["after"] = {
            stage: token_recall(moments, read_predictions(file), objects, options.resamples)
            for stage, file in files.items()
        }
    records.write_json(options.out, record)


def ground(options: Namespace) -> None:
    """Prints the window in seconds in which the query happens."""
    from groundvts.inference.ground import ground as run

    answer = run(options.model, options.video, options.query, options.out)
    print(answer.line)


def notebook(options: Namespace) -> None:
    """Executes a notebook with papermill and renders it as HTML."""
    from groundvts.report.notebook import render_notebook

    parameters = {"results": str(Path(options.results).resolve())}
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
