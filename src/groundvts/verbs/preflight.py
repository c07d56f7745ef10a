"""The verb that looks before hours are spent."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.errors import BadInput
from groundvts.escape import say
from groundvts.verbs.data import split_pairs


def preflight(options: Namespace) -> None:
    """Lists all that would stop or spoil a run; exit status 2 where there is anything."""
    from groundvts.data.frames import available_cores
    from groundvts.preflight.check import preflight as run

    config = records.read_record(options.config)
    form = "BENCHMARK/SPLIT=MOMENTS"
    named = [split_pairs(text, 2, "--moments", form) for text in options.moments]
    files = {place: Path(file) for place, file in named}
    inputs = {"config": options.config, **files}
    with records.recording("preflight", {}, inputs, config["protocol"]) as record:
        record |= run(config, files, options.workers or available_cores())
    records.write_json(options.out, record)
    for title in ("note", "wrong"):
        for line in record[title]:
            say(f"{title}: {line}")
    if record["wrong"]:
        count = len(record["wrong"])
        raise BadInput(f"preflight: {count} {'thing is' if count == 1 else 'things are'} wrong, "
                       "listed above: put them right and run it again")  # fmt: skip
    say(f"{options.out}: nothing is wrong")
