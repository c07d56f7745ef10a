"""The verb that puts the parts of a divided inference together."""

from __future__ import annotations

from argparse import Namespace
from itertools import chain
from pathlib import Path

from groundvts import records
from groundvts.errors import BadInput


def gather(options: Namespace) -> None:
    """Joins the predictions of all shards in the order of the moments, and their records."""
    from groundvts.data.files import protect, write_jsonl
    from groundvts.data.moment import read_moments
    from groundvts.inference.journal import forget_others
    from groundvts.metrics.joining import check_asked

    parts = [Path(part) for part in options.parts]
    made = [records.read_record(part.with_suffix(".record.json")) for part in parts]
    protect(*(part.with_suffix(".record.json") for part in parts))
    for part, record in zip(parts, made, strict=True):
        if record["fingerprint"] != made[0]["fingerprint"]:
            raise BadInput(
                f"{part}: made with other settings, inputs, code, libraries or kind of device than "
                f"{parts[0]}: delete both and run inference again"
            )
    lines = {}
    for line in chain.from_iterable(map(_lines, parts)):
        if lines.setdefault(line["id"], line) is not line:
            raise BadInput(f"query {line['id']!r} stands in two of {_names(parts)}: give each once")
    moments = read_moments(options.moments)
    if lacking := [moment.id for moment in moments if moment.id not in lines]:
        raise BadInput(f"{_names(parts)}: {len(lacking)} of {len(moments)} queries are in none, "
                       f"first {lacking[0]!r}: give every shard")  # fmt: skip
    for moment in moments:
        line = lines[moment.id]
        check_asked(moment, line.get("video"), line.get("query"), _names(parts))
    out = Path(options.out)
    write_jsonl(out, (lines[moment.id] for moment in moments))
    records.write_json(out.with_suffix(".record.json"), _joined(made), {"predictions": out})
    forget_others(out.with_suffix(".answered"), made[0]["fingerprint"])


def _lines(part: Path) -> list[dict]:
    """Predictions of a shard, which may have none."""
    from groundvts.data.files import read_jsonl

    if part.is_file() and not part.stat().st_size:
        return []
    return [line for _, line in read_jsonl(part)]


def _names(parts: list[Path]) -> str:
    return ", ".join(map(str, parts))


def _joined(made: list[dict]) -> dict:
    """One record: counts and seconds are sums, memory the greatest, speed that of a process."""
    speeds = [record["speed"] for record in made]
    stages = {stage: spent for speed in speeds for stage, spent in speed["stage_seconds"].items()}
    stages = {s: sum(speed["stage_seconds"].get(s, 0.0) for speed in speeds) for s in stages}
    spent, queries = sum(stages.values()), sum(speed["queries"] for speed in speeds)
    hardware = max((record["hardware"] for record in made), key=_gpu_memory)
    return made[0] | {
        "started": min(record["started"] for record in made),
        "seconds": sum(record["seconds"] for record in made),
        "peak_memory_mb": max(record["peak_memory_mb"] for record in made),
        "hardware": hardware,
        "counts": {k: sum(record["counts"][k] for record in made) for k in made[0]["counts"]},
        "speed": {
            "queries": queries,
            "taken_over": sum(speed["taken_over"] for speed in speeds),
            "queries_per_second": queries / spent if spent else None,
            "stage_seconds": stages,
        },
        "shards": [
            {key: record[key] for key in ("started", "seconds", "counts", "speed", "hardware")}
            for record in made
        ],
    }


def _gpu_memory(hardware: dict) -> float:
    return hardware.get("gpu_peak_memory_mb", 0.0)
