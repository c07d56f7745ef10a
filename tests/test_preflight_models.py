"""The paper's models before they are there: memory of each stage, disk, and versions."""

import importlib.metadata
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
import yaml

from groundvts.config import checked
from groundvts.data.video import FrameSampling
from groundvts.preflight import machine, models
from groundvts.scales import DOWNLOADS, effective, frames_of

ROOT = Path(__file__).resolve().parents[1]
SCALES = ROOT / "workflow" / "scales"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
Usage = namedtuple("Usage", "total used free")


def paper_scale(name: str = "paper") -> dict:
    given = yaml.safe_load((SCALES / f"{name}.yaml").read_text())
    return checked(effective({}, given, SCALES), SCHEMA)


@pytest.fixture(scope="module")
def full():
    """The models of the paper, from their published sizes."""
    return models.look_for_models(paper_scale())


def test_what_is_to_be_downloaded_counts_as_published(full):
    known, facts, wrong = full
    assert wrong == []
    assert known["qwen"].parameters["total"] == 8_321_533_952
    assert facts["backbones.qwen"].endswith("will be downloaded")


def test_visual_tokens_of_the_paper(full):
    config, known = paper_scale(), full[0]
    qwen = FrameSampling.read(frames_of(config, "qwen"))
    assert known["qwen"].visual_tokens(qwen) == 64 * 20
    assert known["qwen"].visual_tokens(qwen, 30.0) == 30 * 20
    intern = FrameSampling.read(frames_of(config, "internvl"))
    assert known["internvl"].visual_tokens(intern) == 16 * 256


GPU = namedtuple("GPU", "name total_memory")


def with_gpus(monkeypatch, *sizes: float) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(sizes))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(sizes))
    gpus = [GPU("GPU", int(size * 1e9)) for size in sizes]
    monkeypatch.setattr(torch.cuda, "get_device_properties", gpus.__getitem__)


def test_memory_of_each_stage_against_the_gpus(full, monkeypatch):
    config, known = paper_scale(), full[0]
    stages = models.stage_estimates(config, known)
    assert [(s["run"], s["stage"]) for s in stages[:2]] == [
        ("full-s0", "grounding"),
        ("vts-0.5-s0", "warmup"),
    ]
    assert stages[1]["trainable"] == 29_367_296
    assert stages[3]["trainable"] == 78_988_032
    config["launcher"]["processes"] = 1
    needs = {f"{s['stage']} of {s['run']}": s["total"] for s in stages}
    with_gpus(monkeypatch, 80, 24)
    facts, wrong, notes = models.look_at_gpus(config, needs)
    assert [gpu["bytes"] for gpu in facts["gpus"]] == [80_000_000_000, 24_000_000_000]
    assert notes == []
    assert wrong == [
        "grounding of internvl-full-s0: about 23.1 GB on each GPU are needed, 24 GB are there"
    ]
    with_gpus(monkeypatch, 48)
    assert models.look_at_gpus(config, needs)[1] == []


def test_a_stage_is_estimated_as_it_is_launched(full):
    """Recomputing activations is the launcher's; a run keeps its own share of the tokens."""
    config, known = paper_scale(), full[0]
    less = {(s["run"], s["stage"]): s for s in models.stage_estimates(config, known)}
    config["launcher"]["gradient_checkpointing"] = False
    more = {(s["run"], s["stage"]): s for s in models.stage_estimates(config, known)}
    last = ("internvl-vts-0.5-s0", "grounding")
    assert more[last]["total"] > 48e9 > 24e9 > less[last]["total"]
    key = "language model activations"
    whole = more["internvl-full-s0", "grounding"][key]
    assert whole / more[last][key] == pytest.approx((4096 + 256) / (2048 + 256))


def test_lora_on_the_vision_tower_counts():
    config = paper_scale("paper-yaml")
    known = models.look_for_models(config)[0]
    found = {(s["run"], s["stage"]): s for s in models.stage_estimates(config, known)}
    assert found["internvl-vts-0.5-s0", "joint"]["trainable"] == 77_029_376
    assert found["vts-0.5-s0", "joint"]["trainable"] == 78_988_032
    config["backbones"]["internvl"]["lora_vision"] = False
    found = {(s["run"], s["stage"]): s for s in models.stage_estimates(config, known)}
    assert found["internvl-vts-0.5-s0", "joint"]["trainable"] == 75_849_728


def test_merging_holds_a_model_in_float32(full):
    config, known = paper_scale(), full[0]
    merging = models.merge_bytes(config, known, models.stage_estimates(config, known))
    assert merging["internvl-vts-0.5-s0"] == 4 * (8_562_929_664 + 75_849_728)
    assert list(merging) == ["full-s0", "vts-0.5-s0", "internvl-full-s0", "internvl-vts-0.5-s0"]


@pytest.mark.parametrize(("nodes", "there", "count"), [(1, 2, 1), (1, 8, 0), (2, 2, 0)])
def test_a_process_has_a_gpu_of_its_own(monkeypatch, nodes, there, count):
    config = paper_scale()
    config["launcher"]["nodes"] = nodes
    with_gpus(monkeypatch, *[80] * there)
    wrong = models.look_at_gpus(config, {})[1]
    line = "launcher.processes: 8, each on a GPU of its own, but 2 are visible here: start fewer"
    assert wrong == [line] * count


def test_without_a_gpu_it_says_so(monkeypatch):
    with_gpus(monkeypatch)
    facts, wrong, [note] = models.look_at_gpus(paper_scale(), {"a": 2e10, "b": 5e10})
    assert (facts, wrong) == ({"gpus": []}, [])
    assert "no GPU is visible here, so memory was not checked: up to 50 GB" in note


# Disk and versions ------------------------------------------------------------------------------
def test_disk_needs_of_the_paper(full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, known = paper_scale(), full[0]
    stages = models.stage_estimates(config, known)
    needs = machine.disk_needs(config, {"qwen": 10**12}, stages, known, 1000)
    assert needs["frames"] == ("results/cache", 10**12)
    total = sum(one.parameters["total"] for one in known.values())
    assert needs["downloaded models"] == (DOWNLOADS, 2 * total)
    assert needs["models of the runs"][1] == 2 * 2 * total
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 5 * 10**11))
    _, [line] = machine.look_at_disk(config, needs)
    assert "500 GB are free" in line
    assert "frames 1e+03" in line
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 5 * 10**12))
    assert machine.look_at_disk(config, needs)[1] == []
    config["cache"]["limit_gb"] = 200
    assert machine.look_at_disk(config, needs)[1] == [
        "cache.limit_gb: 200, but frames take about 1e+03 GB"
    ]


def test_versions_are_those_required(monkeypatch):
    config = paper_scale()
    facts, wrong = machine.look_at_versions(config)
    assert wrong == []
    assert {"torch", "transformers", "cuda"} <= set(facts)
    real = importlib.metadata.version
    old = {"transformers": "4.51.2"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: old.get(name) or real(name))
    _, [line] = machine.look_at_versions(config)
    assert line.startswith("versions: transformers 4.51.2, ")


def test_deepspeed_is_asked_for_where_it_launches(monkeypatch):
    config = paper_scale()
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "deepspeed":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert machine.look_at_versions(config)[1] == []
    config["launcher"] = {"engine": "deepspeed"}
    assert machine.look_at_versions(config)[1] == [
        "versions: deepspeed is not installed: pip install 'deepspeed'"
    ]


@pytest.mark.parametrize(("cuda", "count"), [(None, 1), ("12.8", 0)])
def test_a_driver_asks_for_cuda_in_torch_and_not_for_a_gpu(monkeypatch, tmp_path, cuda, count):
    """A node's driver is there too where the job has been given none of its GPUs."""
    monkeypatch.setattr(machine, "NVIDIA", tmp_path)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    with_gpus(monkeypatch)
    wrong = machine.look_at_versions(paper_scale())[1]
    assert len(wrong) == count
    assert all("is built without CUDA, but an NVIDIA driver is there" in line for line in wrong)
