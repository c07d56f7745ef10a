"""A merged folder's model card, written from the records of what made it and of what scored it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData, metadata_load, try_to_load_from_cache
from yaml import YAMLError

from groundvts.errors import BadInput
from groundvts.escape import markdown, plain
from groundvts.records import read_record
from groundvts.report.benchmarks import known

TASK = "video-text-to-text"
KIT_LICENCE = "apache-2.0"
TEXT = """
# {run}

A video language model that finds when something happens, with GroundVTS (Rong Fan, Kaiyan Xiao,
Minghao Zhu, Liuyi Wang, Kai Dai, Zhao Yang. *GroundVTS: Visual Token Sampling in Multimodal Large
Language Models for Video Temporal Grounding.* CVPR 2026): before the language model reads a video,
a small module scores each visual token against the query and keeps the best. Trained by an
independent reproduction; not the authors' weights.{toy}

## Use

The folder is of a model type that the kit `groundvts` defines; transformers alone does not load it.

```
groundvts ground FOLDER video.mp4 "the person opens the door"
```

## Model

{model}

## Training

{training}

## Scores

{scores}

## Licence

{licence}

## Made with

{made}
"""
TOY = """

**A toy**: the base is a tiny model pretrained on synthetic clips. It shows that the method learns,
and is of no other use."""
UNTRAINED = "None: the base, with its sampling module as it starts."
UNSCORED = "Not scored when this card was written: `groundvts card` writes one with scores."


def model_card(record: dict[str, Any], scores: list[dict[str, Any]] | None = None) -> str:
    """The card (Markdown with the hub's YAML head) of a merged folder by its record.

    The stages' records are followed from the adapter back; `scores` are score records of the run.
    """
    base = _base(record["base"])
    adapter = record["inputs"].get("adapter")
    stages = _stages(Path(adapter["path"])) if adapter else []
    parts = {
        "run": markdown(record["run"]),
        "toy": TOY if base["toy"] else "",
        "model": _model(record),
        "training": _training(stages) if adapter else UNTRAINED,
        "scores": _score_table(scores) if scores else UNSCORED,
        "licence": markdown(_licence(base)),
        "made": markdown(_made(record)),
    }
    text = f"---\n{_head(record, base, scores or []).to_yaml()}\n---\n{TEXT.format(**parts)}"
    return "\n".join(map(plain, text.split("\n")))


def read_score(path: str, run: str) -> dict[str, Any]:
    """A score record of `run`; BadInput where the file is none."""
    record = read_record(path)
    if record.get("verb") != "score" or record.get("run") != run:
        raise BadInput(f"{path}: no score record of {run}; name one that `groundvts score` wrote")
    return record


def _base(model: str) -> dict[str, Any]:
    """What is known of a base: its id on the hub, its licence, whether it is a toy."""
    folder = Path(model)
    if not folder.is_dir():
        card = try_to_load_from_cache(model, "README.md")
        return {"id": model, "toy": False, "licence": _licence_of(card)}
    made = folder / "record.json"
    toy = made.is_file() and read_record(made).get("verb") == "toy-base"
    licence = KIT_LICENCE if toy else _licence_of(folder / "README.md")
    return {"id": _hub_id(folder), "toy": toy, "licence": licence}


def _hub_id(folder: Path) -> str | None:
    """The id of a model that `groundvts download` fetched, from the record it left beside it."""
    beside = folder.with_name(f"{folder.name}.record.json")
    made = read_record(beside).get("made", {}) if beside.is_file() else {}
    return made.get("hub")


def _licence_of(card: Any) -> str | None:
    """The licence that a model's own card names, or None."""
    try:
        return (metadata_load(card) or {}).get("license") if isinstance(card, str | Path) else None
    except (OSError, ValueError, YAMLError):
        return None


def _stages(adapter: Path) -> list[dict[str, Any]]:
    """Records of the stages that end with `adapter`, the first one first."""
    found: list[dict[str, Any]] = []
    while (adapter / "record.json").is_file() and len(found) < 100:
        found.insert(0, read_record(adapter / "record.json"))
        if "previous" not in found[0]["inputs"]:
            break
        adapter = Path(found[0]["inputs"]["previous"]["path"])
    return found


def _head(record: dict, base: dict, scores: list[dict]) -> ModelCardData:
    """The hub's metadata; each score is an entry of its model index."""
    return ModelCardData(
        license=base["licence"] or "unknown",
        base_model=base["id"],
        library_name="groundvts",
        pipeline_tag=TASK,
        language="en",
        tags=["groundvts", "video-temporal-grounding", "moment-retrieval", "token-sampling"]
        + ["toy"] * base["toy"],
        model_name=record["run"],
        eval_results=[entry for score in scores for entry in _results(score, base["toy"])] or None,
    )


def _results(score: dict, toy: bool) -> list[EvalResult]:
    return [
        EvalResult(
            task_type=TASK,
            task_name="Video temporal grounding",
            dataset_type=score["dataset"],
            dataset_name=known(score["dataset"]).title + (" (synthetic clips)" if toy else ""),
            dataset_split=score.get("split"),
            metric_type=name,
            metric_name=name,
            metric_value=round(metric["value"], 2),
            metric_args={
                "protocol": score["protocol"],
                "interval_95": [round(metric["low"], 2), round(metric["high"], 2)],
            },
        )
        for name, metric in score["metrics"].items()
    ]


def _table(heading: list[str], rows: list[list[Any]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(markdown, line)) + " |" for line in lines)


def _model(record: dict) -> str:
    settings, check = record["settings"], record["check"]
    digest = record["inputs"].get("base", {}).get("sha256", "")
    frames = {key: value for key, value in settings["frames"].items() if value is not None}
    checked = (
        UNTRAINED
        if not check["modules"]
        else (
            f"logits within {check['adapter_difference']:.1e} of the adapter's and "
            f"{check['base_difference']:.1e} from the untrained model's, as shares of the largest "
            f"(float32); the folder loaded again within {check['saved_difference']:.1e}; all "
            f"{len(check['modules'])} trained modules changed"
            + ("" if all(check["modules"].values()) else ", but for those without a gradient")
        )
    )
    rows = [
        ["Base", record["base"] + (f" (sha256 {digest[:12]})" if digest else "")],
        ["Protocol", record["protocol"]],
        ["Sampling module", json.dumps(settings["vts"])],
        ["Frames", json.dumps(frames)],
        ["Data type", check["dtype"]],
        ["Merge", checked],
    ]
    return _table(["", ""], rows)


def _training(stages: list[dict]) -> str:
    if not stages:
        return "No record of the stages was found beside the adapter."
    heading = ["Stage", "Data", "Samples", "Length", "Batch", "Learning rate", "Parameters"]
    return _table([*heading, "Seed", "Minutes"], [_stage(record) for record in stages])


def _stage(record: dict) -> list[Any]:
    settings, samples = record["settings"]["stage"], record["samples"]
    epochs = "" if settings.get("steps") else f"{settings.get('epochs', 1)} epochs, "
    rates, groups = settings["learning_rate"], record["trainable"]["groups"]
    left_out = samples["given"] - samples["used"]
    return [
        record["stage"],
        ", ".join(known(name).title for name in settings["data"]),
        f"{samples['used']:,}" + (f" ({left_out} left out)" if left_out else ""),
        f"{epochs}{record['steps']:,} steps",
        record["engine"]["global_batch"],
        ", ".join(f"{group} {rate:g}" for group, rate in rates.items()),
        ", ".join(f"{group} {count:,}" for group, count in groups.items()),
        record["seed"],
        f"{record.get('training_seconds', record['seconds']) / 60:.1f}",
    ]


def _score_table(scores: list[dict]) -> str:
    rows = [
        [
            known(score["dataset"]).title,
            score["protocol"],
            name,
            f"{metric['value']:.1f} [{metric['low']:.1f}, {metric['high']:.1f}]",
            " / ".join(str(score["counts"][key]) for key in ("asked", "scored", "failed")),
        ]
        for score in scores
        for name, metric in score["metrics"].items()
    ]
    counts = "Asked / scored / failed"
    return _table(["Benchmark", "Protocol", "Metric", "Percent [95 %]", counts], rows)


def _licence(base: dict) -> str:
    if base["licence"] is None:
        return (
            "Kit: Apache-2.0. The base's licence, which binds these weights too, was not found "
            "beside it: look it up before you pass them on."
        )
    return f"Kit: Apache-2.0. Base: {base['licence']}, which binds these weights too."


def _made(record: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    hardware, source = record["hardware"], record["source"][:12]
    return (
        f"{versions}; kit at commit {record['commit'] or 'unknown'}, source {source}; "
        f"{hardware['gpu'] or hardware['cpu']}; merged {record['started'][:10]}."
    )
