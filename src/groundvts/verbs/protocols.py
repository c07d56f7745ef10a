"""The verb that explains what each convention of scoring moves."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.escape import plain, say
from groundvts.verbs.scoring import read_scored, scored_inputs, trivial_values


def protocols(options: Namespace) -> None:
    """Scores predictions by each convention alone; names what the protocols read differently."""
    from groundvts.metrics.conventions import convention_effects
    from groundvts.metrics.readings import reading_differences
    from groundvts.report.protocols import effect_table, shown_effects

    inputs, known = scored_inputs(options)
    with records.recording("protocols", {}, inputs, seed=known["seed"]) as record:
        moments, predictions = read_scored(options)
        record["run"] = known.get("run", Path(options.predictions).stem)
        record["dataset"] = options.dataset
        record["effects"] = convention_effects(moments, predictions)
        record["differences"] = reading_differences(moments, predictions)
        record["counts"] = {
            "asked": len(moments),
            "put to a model": sum(prediction.put for prediction in predictions),
            "read differently": len({row["id"] for row in record["differences"]}),
        }
        record["trivial"] = trivial_values(moments)
    records.write_json(options.out, record)
    printed = shown_effects(effect_table(record)).drop(columns="Why")
    for line in printed.map(plain).to_string(index=False).splitlines():
        say(line)
    say("  ".join(f"{key} {count}" for key, count in record["counts"].items()))
