"""What Snakemake itself would answer by a traceback or too late is one line before the run."""

import os
import time

import pytest
from dag import add_own_benchmark, copy_project, snakemake, tiny_config, write_config

MOMENTS = "results/toy/data/mine/test/moments.jsonl"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a benchmark of one's own, and no home folder to write to."""
    folder, config = copy_project(tmp_path), tiny_config()
    add_own_benchmark(folder, config)
    write_config(folder, config)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    return folder


def refusal(done) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.splitlines()[-1]


def test_an_input_dated_in_the_future_is_named_and_nothing_is_run(project):
    file = project / "my" / "moments.jsonl"
    os.utime(file, (time.time() + 7200,) * 2)
    said = refusal(snakemake(project, "--", MOMENTS))
    assert said.startswith("groundvts: my/moments.jsonl: dated in the future")
    assert "touch my/moments.jsonl" in said
    assert not (project / MOMENTS).parent.exists()


@pytest.mark.slow
def test_jobs_need_no_home_folder(project):
    done = snakemake(project, "--", MOMENTS, "results/toy/runs.json")
    assert done.returncode == 0, done.stderr
    assert (project / MOMENTS).exists()


@pytest.mark.slow
def test_a_key_that_stands_twice_is_named(project):
    with (project / "config.yaml").open("a") as file:
        file.write("\nseed: 1\nseed: 2\n")
    said = refusal(snakemake(project, "-n"))
    assert said.startswith("groundvts: config.yaml: no YAML: line ")
    assert "'seed' stands twice" in said
