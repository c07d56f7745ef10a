"""docs/add-a-sampler.md, followed step by step in a copy of the project, to a row in the tables."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from dag import ROOT, copy_project, snakemake, tiny_config, write_config

PAGE = (ROOT / "docs" / "add-a-sampler.md").read_text("utf-8")
pytestmark = pytest.mark.slow


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A copy in which the page was followed and `reducers` has run, at its smallest."""
    folder = copy_project(tmp_path_factory.mktemp("docs"))
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "test_vts.py", folder / "tests")
    names = re.findall(r"^`(\S+\.py)`:$", PAGE, re.MULTILINE)
    for name, content in zip(names, blocks("python"), strict=True):
        (folder / name).write_text(content)
    schema = folder / "workflow" / "schemas" / "config.schema.json"
    known = json.loads(schema.read_text())
    variants = known["properties"]["variants"]["additionalProperties"]["properties"]
    variants["sampler"]["enum"].append("late")
    schema.write_text(json.dumps(known, indent=2))
    config, more = tiny_config(), yaml.safe_load(blocks("yaml")[0])
    config["variants"]["random-0.25"] = yaml.safe_load((ROOT / "config.yaml").read_text())[
        "variants"
    ]["random-0.25"] | {"main": False, "seeds": [0], "more_seeds": []}
    config["variants"] |= more["variants"]
    config["reducers"] = more["reducers"] | {
        "ratios": [0.25, 0.5],
        "benchmarks": ["charades_sta", "qvhighlights", "nextgqa"],
        "cases": ["case_static", "case_similar"],
        "seeds": 1,
    }
    config["toy"]["cases"] = 3
    config["efficiency"]["reducers"] = {**config["efficiency"]["prefill"], "layers": 3}
    write_config(folder, config)
    return folder


def test_the_page_s_test_passes(work):
    environment = os.environ | {"PYTHONPATH": str(work / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_late.py"]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_sampler_has_a_row_in_every_table(work, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(work / "src"))
    done = snakemake(work, "--", "reducers")
    assert done.returncode == 0, done.stderr[-4000:]
    results = work / "results" / "toy"
    trained = {path.parent.parent.name for path in results.glob("stages/*/*/record.json")}
    assert trained == {"vts-0.25-s0", "late-0.25-s0"}
    tables = ("reducers", "reducers_ratios", "reducers_cases", "reducers_recall")
    for table in tables:
        rows = list(csv.DictReader((results / "tables" / f"{table}.csv").open()))
        assert {row["variant"] for row in rows} == {"vts-0.25", "late-0.25"}
    timed = (results / "tables" / "reducers_prefill.csv").read_text()
    assert "late" in timed
    assert "segment_merging" in timed
    text = (results / "notebooks" / "reducers.html").read_text()
    assert text.count("The end") > 4
    again = snakemake(work, "-n", "--", "reducers")
    assert "Nothing to be done" in again.stdout + again.stderr
