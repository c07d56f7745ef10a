"""Verbs that train, merge and ask models."""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from groundvts import gpus, records
from groundvts.errors import BadInput
from groundvts.escape import log, say
from groundvts.verbs.data import split_pairs
from groundvts.verbs.settings import read_settings

if TYPE_CHECKING:
    from groundvts.inference.batches import Shard
    from groundvts.training.processes import Processes
    from groundvts.training.train import StageRun


def _folder(name: str, model: str) -> dict[str, str]:
    """A model as a record's input: a folder is hashed, a hub id is not."""
    return {name: model} if Path(model).exists() else {}


def _index(source: str) -> str:
    """What identifies a cache: its index names the sampling, the videos and their content."""
    return str(Path(source) / "index.json")


def _recording(verb: str, settings: dict, inputs: dict):
    """A record of a verb whose settings name protocol and seed."""
    return records.recording(verb, settings, inputs, settings["protocol"], settings["seed"])


def train(options: Namespace) -> None:
    """Trains one stage; settings `protocol`, `seed`, `vts`, `stage` and those of `prompts`.

    Started by torchrun, each process runs this; the first one reads, hashes and records for all.
    """
    gpus.take()
    from groundvts.data.conversations import read_conversations
    from groundvts.data.features import open_source
    from groundvts.data.inputs import Encoder
    from groundvts.data.moment import read_moments
    from groundvts.prompts import Prompts
    from groundvts.training.processes import Processes
    from groundvts.training.train import identity, train_stage

    processes = Processes.start()
    with processes.one_voice(), ExitStack() as stage:
        settings = read_settings(options.settings)
        data = [split_pairs(text, 2, "--data", "CONVERSATIONS=FRAMES") for text in options.data]
        probe, probe_source = split_pairs(options.probe, 2, "--probe", "MOMENTS=FRAMES")
        inputs = _train_inputs(options, data, probe) if processes.first else {}
        with _recording("train", settings, inputs) as record:
            prompts = Prompts.load(settings["prompts_set"], settings["prompts_file"])
            record["prompts"], record["base"] = prompts.templates, options.base
            job, encoder = _stage_run(options, settings, processes), Encoder(options.base)
            if job.previous and processes.first:
                _check_adapter(job.previous, record["inputs"].get("base"))
            trained = train_stage(
                job,
                encoder,
                [(read_conversations(Path(f)), open_source(s, encoder)) for f, s in data],
                read_moments(probe),
                open_source(probe_source, encoder),
                prompts,
                identity(job, record) if processes.first else {},
            )
            record |= stage.enter_context(trained)
        if processes.first:
            records.write_json(job.partial / "record.json", record, {"adapter": job.partial})


def _train_inputs(options: Namespace, data: list, probe: str) -> dict[str, str]:
    inputs = {**_folder("base", options.base), "probe": probe}
    inputs |= {"previous": options.previous} if options.previous else {}
    for number, (file, source) in enumerate(data):
        inputs |= {f"data {number}": file, f"source {number}": _index(source)}
    return inputs


def _stage_run(options: Namespace, settings: dict, processes: Processes) -> StageRun:
    from groundvts.training.engine import Engine
    from groundvts.training.stages import StageSettings
    from groundvts.training.train import StageRun

    return StageRun(
        run=options.run,
        stage=options.stage,
        base=options.base,
        previous=Path(options.previous) if options.previous else None,
        vts=settings["vts"],
        settings=StageSettings.from_dict(settings["stage"]),
        seed=settings["seed"],
        checkpoints=Path(options.checkpoints),
        out=Path(options.out),
        engine=Engine(options.zero, options.offload, options.checkpointing, options.workers),
        processes=processes,
    )


def merge(options: Namespace) -> None:
    """Merges an adapter; settings `protocol`, `seed`, `vts`, `frames` and those of `prompts`.

    Without one the folder holds the base with its sampling module as it starts.
    """
    gpus.take()
    from groundvts.data.features import open_source
    from groundvts.data.files import whole_folder
    from groundvts.data.inputs import Encoder
    from groundvts.data.moment import read_moments
    from groundvts.inference.predict import prompt_batch
    from groundvts.prompts import Prompts
    from groundvts.report.card import model_card
    from groundvts.training.merge import merge as run

    settings = read_settings(options.settings)
    adapter = Path(options.adapter) if options.adapter else None
    inputs = _folder("base", options.base) | ({"adapter": options.adapter} if adapter else {})
    inputs["source"] = _index(options.source)
    with whole_folder(options.out) as out:
        with _recording("merge", settings, inputs) as record:
            if adapter:
                _check_adapter(adapter, record["inputs"].get("base"))
            prompts = Prompts.load(settings["prompts_set"], settings["prompts_file"])
            encoder = Encoder(options.base)
            source = open_source(options.source, encoder)
            moments = [m for m in read_moments(options.moments) if m.video in source.videos][:8]
            if not moments:
                raise BadInput(f"{options.moments}: {options.source} holds no video of it to check "
                               "the merged model on: name others")  # fmt: skip
            batch = prompt_batch(encoder, source, moments, prompts)
            manifest = {"run": options.run, "protocol": settings["protocol"],
                        "frames": settings["frames"], "prompts": prompts.templates}  # fmt: skip
            record["run"], record["base"] = options.run, options.base
            start = (settings["vts"], batch, manifest, out, settings["seed"])
            record["check"] = run(options.base, adapter, *start)
        (out / "README.md").write_text(model_card(record), encoding="utf-8")
        records.write_json(out / "record.json", record, {"model": out})


def _check_adapter(adapter: Path, base: dict | None) -> None:
    """BadInput where an adapter is not as its record says, or of another base than `base`."""
    made = adapter / "record.json"
    record = records.read_record(made) if made.is_file() else {"inputs": {}}
    stated = record.get("outputs", {}).get("adapter")
    if stated and stated["sha256"] != records.hash_path(adapter, made):
        raise BadInput(f"{adapter}: is not as its training left it: train the stage again")
    trained = record["inputs"].get("base") if base else None
    if trained and trained["sha256"] != base["sha256"]:
        raise BadInput(f"{adapter}: was trained on another base than {base['path']}: give the one "
                       "it was trained on, or train it anew")  # fmt: skip


def infer(options: Namespace) -> None:
    """Answers every query; settings of `inference` and `prompts`, `protocol` and a seed.

    Settings `vts`, where there are any, change the model's own, such as the ratio.

    Asks for what the moments are annotated for, unless --kinds names it. Answers are kept in
    --journal as they come: with the same settings, inputs, code, libraries, kind of device and
    precision none is asked for twice, whether the run was killed or the work is shared out anew.
    """
    gpus.take()
    from groundvts.data.files import write_jsonl
    from groundvts.inference.batches import WHOLE, Shard
    from groundvts.inference.journal import forget_others

    settings, out = read_settings(options.settings), Path(options.out)
    shard = Shard.read(options.shard) if options.shard else WHOLE
    journal = Path(options.journal or out.with_suffix(".answered"))
    inputs = {**_folder("model", options.model), "moments": options.moments}
    inputs["source"] = _index(options.source)
    with _recording("infer", settings, inputs) as record:
        record["run"], record["model"] = options.run, options.model
        predictions = _answers(options, settings, shard, journal, record)
    write_jsonl(out, predictions)
    records.write_json(out.with_suffix(".record.json"), record, {"predictions": out})
    if shard == WHOLE:
        forget_others(journal, record["fingerprint"])


def _answers(
    options: Namespace, settings: dict, shard: Shard, folder: Path, record: dict
) -> list[dict]:
    """The predictions of a shard; adds to the record what was asked and how it went."""
    from groundvts.data.features import open_source
    from groundvts.data.inputs import Encoder
    from groundvts.data.moment import read_moments
    from groundvts.inference.journal import open_journal
    from groundvts.inference.passes import annotated_kinds
    from groundvts.inference.predict import has_failed, predict
    from groundvts.models.load import load_model
    from groundvts.prompts import Prompts

    model = load_model(options.model, settings.get("vts") or None)
    encoder = Encoder(options.model)
    source = open_source(options.source, encoder)
    source.check(model)
    prompts = Prompts.load(settings["prompts_set"], settings["prompts_file"])
    moments = read_moments(options.moments)
    kinds = options.kinds or annotated_kinds(moments)
    device, dtype = model.device.type, str(model.dtype)
    same = [settings, options.model, prompts.templates, kinds, record["source"]]
    same += [record["versions"], device, dtype]
    record["fingerprint"] = records.fingerprint(same, record["inputs"])
    record["prompts"], record["kinds"] = prompts.templates, kinds
    asked = (model, encoder, source, moments, prompts)
    limits = settings["max_new_tokens"]
    if unlimited := [kind for kind in kinds if kind not in limits]:
        raise BadInput(f"--settings: max_new_tokens: {unlimited[0]}: not named, but asked for")
    how = (settings["batch_size"], limits, kinds, settings["protocol"])
    with open_journal(folder, record["fingerprint"], shard) as journal:
        found = predict(*asked, *how, f"{options.run} infer", shard, journal)
    failed = sum(map(has_failed, found))
    record["counts"] = {"asked": len(found), "scored": len(found) - failed, "failed": failed}
    record["speed"] = journal.speed()
    return found


def demo(options: Namespace) -> None:
    """Serves a page on this machine to try models on a video of one's own."""
    gpus.take()
    from groundvts.demo import serve

    serve(options.models, options.port, options.limit_mb)


def ground(options: Namespace) -> None:
    """Prints the window in seconds in which the query happens; then writes record and picture."""
    from groundvts.inference.ground import ground as run
    from groundvts.inference.ground import write

    asked = (options.model, options.video, options.query)
    answer = run(*asked, sampler=options.sampler, ratio=options.ratio)
    if note := answer.record.get("note"):
        log(f"{options.model}: {note}")
    try:
        say(answer.line)
    finally:
        if options.out:
            write(answer, options.out)
