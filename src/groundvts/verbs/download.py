"""The verb that downloads: a published file, or a model of the hub."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from groundvts import records
from groundvts.data.files import naming
from groundvts.errors import BadInput
from groundvts.escape import say
from groundvts.verbs.settings import read_settings

FILE_KEYS = {"url", "member", "sha256", "bytes"}
MODEL_KEYS = {"hub", "revision", "folder"}


def download(options: Namespace) -> None:
    """Downloads a file (source `url`, `member`, `sha256`, `bytes`) or a model (`hub`, ...)."""
    from groundvts.data.download import Source
    from groundvts.data.download import download as run
    from groundvts.data.hub import download_model

    source, out = read_settings(options.source, "--source"), Path(options.out)
    known = MODEL_KEYS if "hub" in source else FILE_KEYS
    if unknown := sorted(set(source) - known):
        raise BadInput(f"--source: {unknown[0]}: no such key; give {', '.join(sorted(known))}")
    with naming(out), records.recording("download", dict(source), {}) as record:
        if "hub" in source:
            model = source["hub"], source.get("revision") or "main", out, source.get("folder")
            record["made"] = download_model(*model)
            size = sum(file["bytes"] for file in record["made"]["files"].values())
        else:
            _ = source["url"]
            record["made"] = run(Source(**source), out, options.timeout)
            size = record["made"]["bytes"]
    records.write_json(out.with_name(out.name + ".record.json"), record, {"made": out})
    say(f"{out}: {size:,} bytes")
