"""What the cache between workflows knows a stage by, at the paper's scale; nothing is run."""

import re
import subprocess
import sys

import pytest
import yaml
from dag import command, copy_project

STAGE = "results/paper/stages/full-s0/grounding"
KEYS = """
import sys
from snakemake.caching.local import OutputFileCache
from snakemake.cli import main
true = OutputFileCache.get_outputfiles_and_cachefiles
async def told(self, job):
    found = await true(self, job)
    print("KEY", *found[0])
    return found
OutputFileCache.get_outputfiles_and_cachefiles = told
main(sys.argv[1:])
"""


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """A function that gives the key of each output that is shared, with settings changed."""
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    work, base = tmp_path / "work", tmp_path / "base"
    work.mkdir()
    base.mkdir()
    copy_project(work)
    (base / "model.safetensors").write_bytes(b"weights")

    def planned(**changes) -> dict[str, str]:
        checkpoints = {name: {"checkpoint": str(base)} for name in ("qwen", "internvl")}
        (work / "mine.yaml").write_text(yaml.safe_dump({"backbones": checkpoints} | changes))
        given = ["-n", "--cores", "1", "--configfile", "workflow/scales/paper.yaml", "mine.yaml"]
        words = [sys.executable, "-c", KEYS, *given, "--", STAGE]
        environment = command("snakemake")[1]
        done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(re.findall(r"^KEY (\S+) \S+/(\w+)", done.stdout, re.MULTILINE))

    planned.base = base
    return planned


def test_another_base_of_the_same_size_is_another_key(keys):
    before = keys()
    (keys.base / "model.safetensors").write_bytes(b"another")
    after = keys()
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == [STAGE]


def test_what_changes_no_stage_changes_no_key(keys):
    """Though every stage waits for preflight, which runs again."""
    others = {
        "score": {"resamples": 777},
        "inference": {"shards": 8},
        "launcher": {"engine": "torchrun", "processes": 2},
    }
    before = keys()
    assert len(before) > 5
    assert keys(**others) == before
    assert keys(seed=5)[STAGE] != before[STAGE]
