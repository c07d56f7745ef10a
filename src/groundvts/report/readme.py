"""The README's results table, rendered from the small records kept under results/reference/."""

import json
import shutil
from pathlib import Path

from groundvts.errors import BadInput
from groundvts.records import read_record, write_json
from groundvts.report.output import markdown, shown
from groundvts.report.runs import load_runs
from groundvts.report.tables import headline, main_table

BEGIN = "<!-- results: rendered from results/reference, do not edit -->"
END = "<!-- end of results -->"
PICTURE = "two_queries.png"
LEFT_OUT = {"Asked / scored / failed", "Seeds"}


def save_reference(results: str | Path, reference: str | Path) -> None:
    """Copy the run list, the scores, tokens and benchmarks of `results` to `reference`, made small.

    Of the per-query values id, video and IoU (six decimals) stay: enough for every interval.
    """
    results, reference = Path(results), Path(reference)
    write_json(reference / "runs.json", json.loads((results / "runs.json").read_text("utf-8")))
    for path in sorted(results.glob("scores/*/*.json")):
        record = read_record(path)
        record.pop("scores", None)
        if "queries" in record:
            queries = record["queries"]
            iou = [round(value, 6) for value in queries["IoU"]]
            record["queries"] = {"id": queries["id"], "video": queries["video"], "IoU": iou}
        write_json(reference / path.relative_to(results), record)
    for path in sorted(results.glob("benchmarks/*.json")):
        write_json(reference / path.relative_to(results), read_record(path))
    shutil.copyfile(results / "figures" / PICTURE, reference / PICTURE)


def render_results(records_dir: str | Path) -> str:
    """The results in Markdown: table, and what it was measured on. Same records, same text."""
    records_dir = Path(records_dir)
    table = headline(main_table(records_dir)).assign(older="")
    printed = shown(table)
    printed["Method"] = [
        f"{name} ({row.seeds.count(',') + 1} seeds)" if row.joined else name
        for name, (_, row) in zip(printed.Method, table.iterrows(), strict=True)
    ]
    printed = printed[[name for name in printed.columns if name not in LEFT_OUT]]
    scores = [run.score for run in load_runs(records_dir) if run.score]
    last = max(scores, key=lambda record: record["started"])
    counts, hardware = last["counts"], last["hardware"]
    videos = len(set(last["queries"]["video"]))
    note = (
        f"Percent with 95 % intervals over {counts['asked']} test queries of {videos} videos "
        f"(rows of several seeds: their mean, resampled by video and seed); "
        f"{sum(record['counts']['failed'] for record in scores)} answers failed and count as zero. "
        f"Made on {last['started'][:10]} with torch {last['versions']['torch']} on "
        f"{hardware['cores']} cores ({hardware['cpu']})."
    )
    return f"{markdown(printed)}\n\n{note}"


def update(readme: str | Path, records_dir: str | Path) -> None:
    """Write the rendered results between the two markers of the README."""
    text = Path(readme).read_text(encoding="utf-8")
    Path(readme).write_text(_replaced(text, readme, records_dir), encoding="utf-8")


def check(readme: str | Path, records_dir: str | Path) -> bool:
    """Whether the README says what the committed records say."""
    text = Path(readme).read_text(encoding="utf-8")
    return text == _replaced(text, readme, records_dir)


def _replaced(text: str, readme: str | Path, records_dir: str | Path) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BadInput(f"{readme}: lacks the markers {BEGIN!r} and {END!r}; put both back")
    return f"{before}{BEGIN}\n{render_results(records_dir)}\n{END}{after}"
