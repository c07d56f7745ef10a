"""Whether the files that the records of a results folder name are still those that they name."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundvts.data.files import read_bytes
from groundvts.data.store import read_index
from groundvts.errors import BadInput
from groundvts.records import hash_path, own_hash
from groundvts.report.history import PLACES

GOES_ON = "checkpoints"  # a folder whose files change while a stage trains


def verify(results: str | Path, most_bytes: float = math.inf) -> tuple[list[str], dict[str, int]]:
    """Hashes again what every record names: a line for each broken link, and counts of all.

    A link is a record's own hash, an input or an output. With `most_bytes` no folder, no cache and
    no larger file is looked at. What a record of a moved folder names is looked for where it lies
    now. Raises BadInput where no record is there.
    """
    results, broken, found, hashes = Path(results), [], {}, {}
    quick = most_bytes < math.inf
    for path in sorted({*results.rglob("*.json"), *(p for g in PLACES for p in results.glob(g))}):
        if GOES_ON in path.relative_to(results).parts:
            continue
        try:
            known = not quick or path.stat().st_size <= most_bytes
            content = json.loads(read_bytes(path)) if known else None
        except (BadInput, OSError, ValueError, RecursionError) as error:
            broken.append(f"{path}: cannot be read ({error})")
            continue
        if isinstance(content, dict) and {"verb", "sha256"} & set(content):
            found[path] = content
        elif isinstance(content, dict) and {"store", "videos"} <= set(content) and not quick:
            broken += _stored(path)
    if not found:
        raise BadInput(f"{results}: holds no record; name a results folder")
    root, counts = _root(results, found), Counter(checked=0, left_out=0, without_own_hash=0)
    for path, record in found.items():
        counts["checked" if "sha256" in record else "without_own_hash"] += 1
        if record.get("sha256", own_hash(record)) != own_hash(record):
            broken.append(f"{path}: has changed since it was written")
        inputs = [(n, _moved(p, root, results), h) for n, p, h in _links(record, "inputs")]
        outputs = [(n, path.parent / p, h) for n, p, h in _links(record, "outputs")]
        for name, file, wanted in (*inputs, *outputs):
            place = file, path if file in path.parents else None
            try:
                if quick and (
                    file.is_dir() or (file.exists() and file.stat().st_size > most_bytes)
                ):
                    counts["left_out"] += 1
                    continue
                counts["checked"] += 1
                if file.exists() and place not in hashes:
                    hashes[place] = hash_path(*place)
                state = "has changed" if place in hashes else "is gone"
            except (BadInput, OSError) as error:
                state = f"cannot be read ({error})"
            if hashes.get(place) != wanted:
                broken.append(f"{path}: {name}: {file} {state}")
    return broken, {"records": len(found), "broken": len(broken), **counts}


def _stored(index: Path) -> Iterator[str]:
    """A line for each video of a cache whose stored array is not what was stored."""
    try:
        content, store = read_index(index, (), ())
    except BadInput as error:
        yield str(error)
        return
    for name, entry in content["videos"].items():
        try:
            store.check(entry["key"])
            if entry != {"key": entry["key"], **store.facts(entry["key"])}:
                yield f"{index}: {name} is not as its store tells of it"
        except BadInput as error:
            yield f"{index}: {name}: {error}"


def _links(record: dict[str, Any], kind: str) -> Iterator[tuple[str, Path, str]]:
    """Name, path and sha256 of each input or output."""
    entries = record.get(kind)
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and {"path", "sha256"} <= set(entry):
            yield name, Path(str(entry["path"])), entry["sha256"]


def _root(results: Path, found: dict[Path, dict]) -> Path | None:
    """What the records call the results folder: that below which most of what they name is here."""
    paths = {path for record in found.values() for _, path, _ in _links(record, "inputs")}
    votes = Counter(p for path in paths for p in path.parents if _moved(path, p, results).exists())
    votes = {folder: count for folder, count in votes.items() if folder != Path("/")}
    return max(votes, key=lambda folder: (votes[folder], len(folder.parts)), default=None)


def _moved(path: Path, root: Path | None, results: Path) -> Path:
    return results / path.relative_to(root) if root and path.is_relative_to(root) else path
