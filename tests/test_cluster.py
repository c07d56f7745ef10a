"""The Slurm profile: it plans, jobs ask for more with each attempt, and are submitted."""

import json
import os
import subprocess

import pytest
import slurm
from dag import ROOT, command, copy_project, snakemake, tiny_config, write_config

from groundvts.config import checked

PROFILE = ("--workflow-profile", "profiles/slurm")
RESOURCES = """
config = json.load(open("config.json"))
include: "{rules}"

rule all:
    input: {kinds}

rule one:
    output: "{{kind}}"
    retries: 2
    resources:
        mem_mb=lambda w, attempt: memory(w.kind)(w, attempt),
        runtime=lambda w, attempt: minutes(w.kind)(w, attempt),
        gpu=lambda w: gpus(w.kind),
        tries=lambda w, attempt: attempt
    shell:
        "echo {{resources.mem_mb}} {{resources.runtime}} {{resources.gpu}} >> {{output}}.txt; "
        "test {{resources.tries}} = 3 && touch {{output}}"
"""


def planned_on_slurm(folder, *arguments) -> subprocess.CompletedProcess:
    words, environment = command("snakemake", "--executor", "slurm", *PROFILE, "-n", *arguments)
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("more", [(), ("--configfile", "config.yaml", "--", "ablations")])
def test_a_dry_run_with_the_profile_passes(more):
    plan = planned_on_slurm(ROOT, "--forceall", *more)
    assert plan.returncode == 0, plan.stderr[-2000:]
    assert "profiles/slurm" in plan.stderr
    assert "train_stage" in plan.stderr + plan.stdout


def asked(folder, config: dict) -> dict[str, list[list[int]]]:
    """Memory, minutes and GPUs of three attempts of each kind of job."""
    kinds = ("frames", "features", "train", "merge", "infer")
    (folder / "config.json").write_text(json.dumps(config))
    text = RESOURCES.format(rules=ROOT / "workflow/rules/resources.smk", kinds=list(kinds))
    (folder / "Snakefile").write_text("import json\n" + text)
    done = snakemake(folder, "--retries", "2")
    assert done.returncode == 0, done.stderr[-2000:]
    lines = {kind: (folder / f"{kind}.txt").read_text().splitlines() for kind in kinds}
    return {kind: [list(map(int, line.split())) for line in lines[kind]] for kind in kinds}


def test_what_a_job_asks_for_grows_with_each_attempt(tmp_path):
    config = checked(tiny_config(), ROOT / "workflow/schemas/config.schema.json")
    config |= {"scale": "paper", "launcher": {"processes": 4, "nodes": 2}}
    config["resources"]["infer"] |= {"mem_gb": 10, "hours": 1.5}
    found = asked(tmp_path, config)
    assert found["infer"] == [[10_000, 90, 1], [20_000, 180, 1], [30_000, 270, 1]]
    assert [gpu for *_, gpu in found["train"]] == [8, 8, 8]
    assert found["frames"][0][-1] == 0
    first, second, third = (row[0] for row in found["train"])
    assert (second, third) == (2 * first, 3 * first)


def test_the_toy_asks_for_little_and_for_no_gpu(tmp_path):
    found = asked(tmp_path, checked(tiny_config(), ROOT / "workflow/schemas/config.schema.json"))
    assert {tuple(rows[0]) for rows in found.values()} == {(2000, 60, 0)}


@pytest.mark.slow
def test_a_failed_job_is_submitted_again_with_more(tmp_path):
    """Through sbatch and srun to the end, on a Slurm of one machine; its first job fails."""
    work = tmp_path / "work"
    work.mkdir()
    write_config(copy_project(work), tiny_config())
    commands = slurm.install(tmp_path / "slurm")
    options = ("--slurm-init-seconds-before-status-checks", "1", "--slurm-no-account")
    target = "results/toy/benchmark/objects.json"
    words, environment = command("snakemake", *PROFILE, *options, "--", target)
    environment |= {"FAKE_SLURM": str(tmp_path / "slurm"), "FAKE_SLURM_FAILS": "1"}
    environment["PATH"] = os.pathsep.join((str(commands), environment["PATH"]))
    done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (tmp_path / "slurm" / "asked").read_text().splitlines()
    assert "--mem 4000 " in first
    assert "-t 60 " in first
    assert "--mem 8000 " in second
    assert "-t 120 " in second
    assert "--cpus-per-task=16" in first
