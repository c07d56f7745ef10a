"""Records: what was run, on what, with what, how long. Written and read here only."""

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from groundvts.data.files import write_text
from groundvts.errors import BadInput
from groundvts.numerics import PORTABLE

PACKAGE = Path(__file__).resolve().parent
MARK = ".snakemake_timestamp"
LIBRARIES = ("torch", "transformers", "peft", "numpy", "decord", "av", "snakemake")


@contextmanager
def recording(
    verb: str,
    settings: dict[str, Any],
    inputs: dict[str, str | Path],
    protocol: str = "fixed",
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield a record with its envelope filled; duration (s) and memory (MB) are set at the end.

    The caller adds the payload and writes the record with `write_json`.
    Raises BadInput if an input does not exist.
    """
    began = time.perf_counter()
    record = {
        "verb": verb,
        "settings": settings,
        "protocol": protocol,
        "seed": seed,
        "inputs": {
            name: {"path": str(path), "sha256": hash_path(path)} for name, path in inputs.items()
        },
        "versions": _versions(),
        "commit": _commit(),
        "source": source_hash(),
        "hardware": _hardware(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "peak_memory_mb": 0.0,
    }
    try:
        yield record
    finally:
        record["seconds"] = time.perf_counter() - began
        record["peak_memory_mb"] = _peak_memory_mb()
        record["hardware"].update(_gpu())


def fingerprint(settings: Any, inputs: dict[str, dict[str, str]]) -> str:
    """sha256 of settings and of the inputs' hashes: equal where the same work is asked for."""
    hashes = {name: entry["sha256"] for name, entry in inputs.items()}
    return hashlib.sha256(json.dumps([settings, hashes], sort_keys=True).encode()).hexdigest()


def write_json(path: str | Path, obj: Any, outputs: Mapping[str, Path] | None = None) -> None:
    """Write `obj` as JSON, whole or not at all; a record with its own hash under `sha256`.

    A record also names its `outputs`, relative to its own folder, each with its hash. Numpy scalars
    and arrays, paths and tuples are accepted; NaN and infinity raise ValueError.
    """
    path = Path(path)
    if outputs:
        obj["outputs"] = {
            name: {"path": os.path.relpath(file, path.parent), "sha256": hash_path(file, path)}
            for name, file in outputs.items()
        }
    text = json.dumps(obj, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    if isinstance(obj, dict) and "verb" in obj:
        record = json.loads(text)
        text = json.dumps(record | {"sha256": own_hash(record)}, indent=1, ensure_ascii=False)
    write_text(path, text + "\n")


def own_hash(record: dict[str, Any]) -> str:
    """sha256 of all that a record says, as it was read, but for its own hash."""
    said = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_record(path: str | Path) -> dict[str, Any]:
    """Read one JSON record. Raises BadInput with one line if it is missing or broken."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such record; run the rule that writes it") from None
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg}); delete it and run again"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); delete it and run again") from None
    if not isinstance(record, dict):
        raise BadInput(f"{path}: a record is a JSON object, found {type(record).__name__}")
    return record


def hash_path(path: str | Path, without: Path | None = None) -> str:
    """sha256 of a file, or of a folder's sorted relative names and file hashes.

    The mark that Snakemake leaves in a folder, now or later, is no part of it, nor is the file
    `without`, the record that names the folder.
    """
    path = Path(path)
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not path.is_dir():
        raise BadInput(f"{path}: no such file or folder; check the path")
    files = (f for f in path.rglob("*") if f.is_file() and f.name != MARK and f != without)
    return _hash_files(path, files)


@cache
def source_hash() -> str:
    """sha256 of the package's own *.py, *.yaml and *.json files."""
    suffixes = {".py", ".yaml", ".json"}
    return _hash_files(PACKAGE, (file for file in PACKAGE.rglob("*") if file.suffix in suffixes))


def made_with(*more: Any) -> str:
    """sha256 of the package's source, of versions, of whether there is a GPU, and of `more`."""
    known = [source_hash(), _versions(), Path("/dev/nvidiactl").exists(), *more]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def code_hash(files: Iterable[str | Path]) -> str:
    """sha256 of what Python files do: comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for file in map(Path, files):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            match getattr(node, "body", None):
                case [ast.Expr(value=ast.Constant()), *rest]:
                    node.body = rest or [ast.Pass()]
        digest.update(f"{file.name}\0{_outline(tree)}\n".encode())
    return digest.hexdigest()


def _outline(node: Any) -> Any:
    """What a syntax tree holds, the same on every Python: what is empty is left out."""
    if isinstance(node, ast.JoinedStr):  # of an f-string's format, Python 3.12 adds an empty text
        node.values = [part for part in node.values if getattr(part, "value", None) != ""]
    if isinstance(node, list):
        return [_outline(one) for one in node]
    if not isinstance(node, ast.AST):
        return ascii(node)
    held = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    return [type(node).__name__, *((name, _outline(value)) for name, value in sorted(held))]


@cache
def modules(name: str) -> frozenset[Path]:
    """The file of a module (`training.train`), and of all of the package that it imports."""
    found, waiting = set(), [name]
    while waiting:
        file = PACKAGE.joinpath(*waiting.pop().split(".")).with_suffix(".py")
        if file in found or not file.is_file():
            continue
        found.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("groundvts"):
                inside = node.module.removeprefix("groundvts").removeprefix(".")
                waiting += [inside, *(f"{inside}.{a.name}".strip(".") for a in node.names)]
    return frozenset(found)


def _hash_files(folder: Path, files: Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for name, file in sorted((file.relative_to(folder).as_posix(), file) for file in files):
        digest.update(f"{name}\0{hash_path(file)}\n".encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """What json cannot write by itself: numpy values by their own `tolist`, paths as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot stand in a record")


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


@cache
def _commit() -> str | None:
    """The commit of the checkout that holds this package, or None outside one."""
    command = ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _hardware() -> dict[str, Any]:
    """CPU name, usable cores, memory (GB); the GPU is filled in at the end."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    same = all(os.environ.get(key) == value for key, value in PORTABLE.items())
    told = {"cpu": cpu, "cores": cores, "memory_gb": round(memory, 1), "gpu": None}
    return told | {"numerics": "portable" if same else "fast"}


def _gpu() -> dict[str, Any]:
    """GPU name and peak memory (MB), only where the caller has already loaded torch."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    peak = torch.cuda.max_memory_allocated() / 1e6
    return {"gpu": torch.cuda.get_device_name(), "gpu_peak_memory_mb": peak}


def _peak_memory_mb() -> float:
    """Peak resident memory of this process or of its largest child, whichever is more (MB)."""
    unit = 1 if sys.platform == "darwin" else 1024
    sources = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(source).ru_maxrss for source in sources) * unit / 1e6
