"""What the runs of a results folder wrote: the run list and their records."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from groundvts.errors import BadInput
from groundvts.records import read_record, source_hash
from groundvts.report.benchmarks import MAIN, evaluated

STAGES = ("warmup", "joint", "grounding")


@dataclass(frozen=True)
class Run:
    """One line of runs.json with the records it has so far; `tokens` only for `MAIN`.

    `places` are those of the stages' records in the results.
    """

    name: str
    variant: str
    seed: int | None
    sampler: str | None
    ratio: float | None
    label: str
    stages: dict[str, dict[str, Any]]
    places: dict[str, str]
    score: dict[str, Any] | None
    tokens: dict[str, Any] | None
    others: tuple[dict[str, Any], ...]

    @cached_property
    def older(self) -> tuple[str, ...]:
        """Verbs of this run whose records were made by other source than the present."""
        records = [*self.stages.values(), *self.others, self.score, self.tokens]
        now = source_hash()
        made = (record["verb"] for record in records if record and record["source"] != now)
        return tuple(dict.fromkeys(made))


def locate(path: str | Path) -> Path:
    """A path given from the repository root, also when the caller stands in notebooks/."""
    for candidate in (Path(path), Path("..") / path):
        if candidate.exists():
            return candidate.resolve()
    raise BadInput(f"{path}: no such file or folder; run `make` first, or correct the path")


def listed_runs(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a runs.json: run, variant, seed, label and what else is known of each."""
    try:
        listed = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no run list; run the rule that writes it") from None
    except ValueError as error:
        raise BadInput(f"{path}: not valid JSON ({error}); delete it and run again") from None
    for number, entry in enumerate(listed if isinstance(listed, list) else [None], start=1):
        keys = entry if isinstance(entry, dict) else ()
        if lacks := {"run", "variant", "seed", "label"} - set(keys):
            what = ", ".join(sorted(lacks))
            raise BadInput(f"{path}: entry {number} lacks {what}; delete it and run again")
    return listed


def load_runs(results: str | Path, dataset: str = MAIN) -> list[Run]:
    """The runs of `results`/runs.json in their order, with what each has recorded on `dataset`.

    A score of a variant that the configuration does not evaluate there is left aside.
    """
    results = Path(results)
    known = evaluated(results).get(dataset) if (results / "benchmarks.json").is_file() else None
    loaded = [load_run(results, entry, dataset) for entry in listed_runs(results / "runs.json")]
    return [
        run if known is None or run.variant in known else replace(run, score=None) for run in loaded
    ]


def load_run(results: Path, entry: dict[str, Any], dataset: str = MAIN) -> Run:
    """An entry of a run list with its records."""
    name = entry["run"]

    def record(path: str) -> dict[str, Any] | None:
        return read_record(results / path) if (results / path).is_file() else None

    places = {stage: f"{folder}/record.json" for stage, folder in entry.get("stages", {}).items()}
    stages = {stage: record(place) for stage, place in places.items()}
    others = (
        record(f"merged/{name}/record.json"),
        record(f"predictions/{name}/{dataset}.record.json"),
    )
    return Run(
        name=name,
        variant=entry["variant"],
        seed=entry["seed"],
        sampler=entry.get("sampler"),
        ratio=entry.get("ratio"),
        label=entry["label"],
        stages={stage: found for stage, found in stages.items() if found},
        places=places,
        score=record(f"scores/{name}/{dataset}.json"),
        tokens=record(f"scores/{name}/tokens.json") if dataset == MAIN else None,
        others=tuple(other for other in others if other),
    )


def failures_by_reason(score: dict[str, Any]) -> dict[str, int]:
    """How many queries of a score record failed for each reason, the most frequent first.

    A query that failed for the same reason in several parts of its answer counts once.
    """
    distinct = sorted({(entry["reason"], entry["id"]) for entry in score["failures"]})
    return dict(Counter(reason for reason, _ in distinct).most_common())


def by_variant(runs: list[Run]) -> dict[str, list[Run]]:
    """Scored runs by variant, in table order."""
    variants: dict[str, list[Run]] = {}
    for run in runs:
        if run.score is not None:
            variants.setdefault(run.variant, []).append(run)
    return variants
