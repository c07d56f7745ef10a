"""The rules start their stages as the launcher says, and what follows reads what they saved."""

import json

import pytest
from dag import copy_project, snakemake, tiny_config, write_config

RUN = "vts-0.25-s0"


@pytest.mark.slow
def test_three_stages_under_zero_3_merge_into_a_model(tmp_path):
    folder, config = copy_project(tmp_path), tiny_config()
    launcher = {"engine": "deepspeed", "processes": 2, "zero": 3, "gradient_checkpointing": True}
    write_config(folder, {**config, "launcher": launcher})
    done = snakemake(folder, "--", f"results/toy/merged/{RUN}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for stage in ("warmup", "joint", "grounding"):
        file = folder / "results" / "toy" / "stages" / RUN / stage / "record.json"
        made = json.loads(file.read_text())
        engine = made["engine"]
        assert (engine["engine"], engine["processes"], engine["zero"]) == ("deepspeed", 2, 3)
        assert engine["batch_size"] * 2 * engine["accumulation"] == engine["global_batch"] == 4
        assert made["inputs"]["base"]["sha256"]
        assert made["steps"] == 3
    merged = json.loads((folder / "results/toy/merged" / RUN / "record.json").read_text())
    assert merged["check"]["adapter_difference"] <= 1e-4 < merged["check"]["base_difference"]
