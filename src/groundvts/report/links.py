"""Links to everything that a run made: notebooks, tables, records and logs."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from groundvts.escape import html as escape
from groundvts.report.captions import NOTEBOOKS, titled
from groundvts.report.html import folded
from groundvts.report.runs import listed_runs

REPORT = "report.html"
RECORDS = {
    "Validated annotations": "data/*/*/validation.json",
    "Comparisons": "comparisons/*.json",
    "Ablations": "ablations/*/*.json",
    "Reducers": "reducers/*/*.json",
    "Conventions of scoring": "protocols/*/*.json",
    "Scores by other protocols": "scores_*/*/*.json",
    "Benchmarks": "benchmarks/*.json",
}
KINDS = {"tables": ("csv", "md", "tex"), "figures": ("png", "pdf")}


def links(results: Path) -> Iterator[str]:
    """Links to what exists: notebooks, tables, figures, Snakemake's report, and all records."""
    if (results / REPORT).is_file():
        yield _line(results, "Snakemake's report of all jobs, files and times", {"html": REPORT})
    else:
        yield (
            "<p class=links><b>Snakemake's report</b> is not made yet: "
            "<code>snakemake --cores all report</code> makes it.</p>"
        )
    stems = sorted({path.stem for path in results.glob("notebooks/*.ipynb")})
    for stem in [*NOTEBOOKS, *(stem for stem in stems if stem not in NOTEBOOKS)]:
        if stem in stems:
            paths = {kind: f"notebooks/{stem}.{kind}" for kind in ("html", "ipynb")}
            yield _line(results, f"Notebook: {titled(stem)}", paths)
        else:
            yield f"<p class=links><b>Notebook: {escape(titled(stem))}</b> is not made yet.</p>"
    for folder, kinds in KINDS.items():
        stems = sorted({path.stem for path in results.glob(f"{folder}/*.{kinds[0]}")})
        rows = [
            _line(results, titled(stem), {kind: f"{folder}/{stem}.{kind}" for kind in kinds})
            for stem in stems
        ]
        yield folded(f"{len(rows)} {folder}", rows)
    yield folded("Records", _records(results))


def logs(results: Path) -> Iterator[str]:
    """Links to what each job said, by the kind of job."""
    files = sorted(path for path in results.glob("logs/**/*") if path.is_file())
    kinds: dict[Path, dict[str, str]] = {}
    for path in files:
        kind = path.parent.relative_to(results / "logs")
        name = path.name.removesuffix(".log") + (
            " (said nothing)" if not path.stat().st_size else ""
        )
        kinds.setdefault(kind, {})[name] = path.relative_to(results).as_posix()
    rows = [
        _line(results, str(kind) if kind.parts else "others", paths)
        for kind, paths in sorted(kinds.items())
    ]
    yield folded(f"Logs of {len(files)} jobs", rows)


def _records(results: Path) -> list[str]:
    """Records of the whole and of each run."""
    rows = [_line(results, "Run list", {"json": "runs.json", "benchmarks": "benchmarks.json"})]
    for title, pattern in RECORDS.items():
        paths = sorted(path.relative_to(results) for path in results.glob(pattern))
        named = {" ".join(path.with_suffix("").parts[1:]): path.as_posix() for path in paths}
        rows.append(_line(results, title, named))
    lists = [results / "runs.json", *sorted(results.glob("ablations/*/runs.json"))]
    lists += results.glob("reducers/runs.json")
    for run, entry in {one["run"]: one for path in lists for one in listed_runs(path)}.items():
        stages = entry.get("stages", {})
        paths = {stage: f"{place}/record.json" for stage, place in stages.items()}
        paths["base"] = f"bases/{entry.get('backbone')}-s{entry['seed']}/record.json"
        paths["merge"] = f"merged/{run}/record.json"
        for kind in sorted((results / "scores" / run).glob("*.json")):
            paths[f"score {kind.stem}"] = f"scores/{run}/{kind.name}"
        for kind in sorted((results / "predictions" / run).glob("*.json*")):
            paths[kind.name] = f"predictions/{run}/{kind.name}"
        rows.append(_line(results, run, paths))
    return rows


def _line(results: Path, title: str, paths: dict[str, str]) -> str:
    """A title with a link to each of the files that exist; nothing where none does."""
    there = {name: path for name, path in paths.items() if (results / path).is_file()}
    linked = [f'<a href="{quote(path)}">{escape(name)}</a>' for name, path in there.items()]
    return f"<p class=links><b>{escape(title)}</b> {' · '.join(linked)}</p>" if linked else ""
