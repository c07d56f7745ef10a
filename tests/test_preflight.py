"""What is looked at before hours are spent: each finding by itself, and all of them in one list."""

import importlib.metadata
import json
import shutil
from argparse import Namespace
from collections import namedtuple
from pathlib import Path

import pytest
import torch
import yaml
from scales import FRAMES, make_sources
from test_cli import groundvts

from groundvts.config import checked
from groundvts.data.convert import convert
from groundvts.data.moment import read_moments
from groundvts.preflight import check, lengths, machine, models, videos
from groundvts.preflight.needs import places_read
from groundvts.scales import DOWNLOADS

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return make_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def config(sources, tmp_path, monkeypatch) -> dict:
    """The paper's configuration on tiny sources of one's own: nothing of it is wrong."""
    monkeypatch.chdir(tmp_path)
    given = yaml.safe_load((ROOT / "workflow" / "scales" / "paper.yaml").read_text())
    for section in ("benchmarks", "backbones"):
        for name, settings in sources[section].items():
            given[section][name] |= settings
    given["frames"] |= FRAMES
    given["preflight"] = {"sample": 2, "found": 0.4}
    return checked(given, SCHEMA)


def moments_of(config: dict, folder: Path) -> dict[str, Path]:
    """The converted moments of every place that is read."""
    files = {}
    for place in dict.fromkeys(p for places in places_read(config).values() for p in places):
        name, split = place.split("/")
        one = config["benchmarks"][name]
        named = {key: one[key] for key in ("annotations", "durations", "spans") if one[key]}
        for key, value in named.items():
            several = [value] if isinstance(value, str) else value
            paths = [path.replace("{split}", split) for path in several]
            named[key] = paths if key == "annotations" else paths[0]
        policy = config["policy"].get(split, {})
        convert(name, split, out=folder / place, policy=policy, **named)
        files[place] = folder / place / "moments.jsonl"
    return files


@pytest.fixture(scope="module")
def files(sources, tmp_path_factory):
    given = yaml.safe_load((ROOT / "workflow" / "scales" / "paper.yaml").read_text())
    for name, settings in sources["benchmarks"].items():
        given["benchmarks"][name] |= settings
    return moments_of(checked(given, SCHEMA), tmp_path_factory.mktemp("moments"))


@pytest.fixture(scope="module")
def moments(files):
    return {place: read_moments(file) for place, file in files.items()}


# Videos -----------------------------------------------------------------------------------------
WANTED = {"charades_sta": {"train0000", "train0001", "test0000"}}


def test_videos_that_are_there_are_counted_and_tried(config):
    facts, wrong = videos.look_for_videos(config, WANTED, 1)
    assert wrong == []
    found = facts["charades_sta"]
    assert (found["annotated"], found["found"], found["missing"]) == (3, 3, [])
    [*tried] = found["tried"].values()
    assert len(tried) == 2
    assert tried[0]["frames"]["qwen"]["shape"] == [8, 56, 56, 3]
    assert tried[0]["frames"]["internvl"]["shape"] == [4, 56, 56, 3]
    size = tried[0]["frames"]["qwen"]["bytes"]
    assert size == 8 * 56 * 56 * 3
    read = {"qwen": ["charades_sta/train", "charades_sta/test"], "internvl": []}
    assert videos.frame_bytes(facts, read) == {"qwen": 3 * size, "internvl": 0}


def test_a_folder_that_is_not_there(config):
    config["benchmarks"]["charades_sta"]["videos"] = "nowhere"
    facts, wrong = videos.look_for_videos(config, WANTED, 1)
    assert wrong == ["benchmarks.charades_sta.videos: nowhere: no such folder; 3 annotated videos "
                     "are wanted there"]  # fmt: skip
    assert facts["charades_sta"]["found"] == 0


def test_too_many_missing_videos_name_the_first(config):
    wanted = {"charades_sta": {"train0000", *(f"gone{n}" for n in range(9))}}
    _, [line] = videos.look_for_videos(config, wanted, 1)
    assert "1 of 10 annotated videos found, at least 40% are wanted" in line
    assert "the first missing: gone0, gone1, gone2" in line
    config["preflight"]["found"] = 0.1
    assert videos.look_for_videos(config, wanted, 1)[1] == []


def test_videos_that_cannot_be_decoded(config):
    _, [line] = videos.look_for_videos(config, {"nextgqa": {"broken0000"}}, 1)
    assert line.startswith("benchmarks.nextgqa.videos: 1 of 1 videos tried cannot be decoded")
    assert "broken0000.mp4" in line


# Models -----------------------------------------------------------------------------------------
def test_what_is_known_of_the_models(config):
    known, facts, wrong = models.look_for_models(config)
    assert wrong == []
    assert all(state.endswith(": there") for state in facts.values())
    qwen = known["qwen"]
    assert qwen.parameters["total"] == sum(p.numel() for p in qwen.model.parameters())


def test_a_checkpoint_that_is_not_there(config):
    config["backbones"]["qwen"]["checkpoint"] = "/models/none"
    _, _, wrong = models.look_for_models(config)
    assert wrong == ["backbones.qwen.checkpoint: /models/none: no such folder"]


def test_a_folder_that_is_no_checkpoint(config, tmp_path):
    config["backbones"]["qwen"]["checkpoint"] = str(tmp_path)
    _, _, [line] = models.look_for_models(config)
    assert line.startswith("backbones.qwen.checkpoint: ")


def paper_scale() -> dict:
    return checked(
        yaml.safe_load((ROOT / "workflow" / "scales" / "paper.yaml").read_text()), SCHEMA
    )


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
    from groundvts.data.video import FrameSampling
    from groundvts.scales import frames_of

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
    stages = list(models.stage_estimates(config, known))
    assert [(s["run"], s["stage"]) for s in stages[:2]] == [
        ("full-s0", "grounding"),
        ("vts-0.5-s0", "warmup"),
    ]
    assert stages[1]["trainable"] == 29_367_296
    assert stages[3]["trainable"] == 78_988_032
    inference = models.inference_bytes(config, known)
    with_gpus(monkeypatch, 80, 24)
    facts, wrong, notes = models.look_at_gpus(stages, inference)
    assert [gpu["bytes"] for gpu in facts["gpus"]] == [80_000_000_000, 24_000_000_000]
    assert notes == []
    assert any(line.startswith("stage grounding of internvl-vts-0.5-s0: about ") for line in wrong)
    assert all("24 GB are there" in line for line in wrong)
    with_gpus(monkeypatch, 141)
    assert models.look_at_gpus(stages, inference)[1] == []


def test_without_a_gpu_it_says_so(monkeypatch):
    with_gpus(monkeypatch)
    facts, wrong, [note] = models.look_at_gpus([{"total": 5e10}], {})
    assert (facts, wrong) == ({"gpus": []}, [])
    assert "no GPU is visible here, so memory was not checked: up to 50 GB" in note


# Disk and versions ------------------------------------------------------------------------------
def test_disk_needs_of_the_paper(full, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, known = paper_scale(), full[0]
    stages = list(models.stage_estimates(config, known))
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


def test_versions_are_those_required(config, monkeypatch):
    facts, wrong = machine.look_at_versions(config)
    assert wrong == []
    assert {"torch", "transformers", "cuda"} <= set(facts)
    real = importlib.metadata.version
    old = {"transformers": "4.51.2"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: old.get(name) or real(name))
    _, [line] = machine.look_at_versions(config)
    assert line.startswith("versions: transformers 4.51.2, ")


def test_deepspeed_is_asked_for_where_it_launches(config, monkeypatch):
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


def test_a_driver_without_cuda_in_torch(config, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "NVIDIA", tmp_path)
    with_gpus(monkeypatch)
    _, [line] = machine.look_at_versions(config)
    assert "sees no GPU, but an NVIDIA driver is there" in line


# Lengths ----------------------------------------------------------------------------------------
def test_samples_against_the_cut_off(config, moments):
    known, _, _ = models.look_for_models(config)
    facts, wrong = lengths.look_at_lengths(config, known, moments)
    assert wrong == []
    assert facts["qwen"]["counted"] == "the longest counted"
    longest = facts["qwen"]["longest sample"]
    config["backbones"]["qwen"]["cutoff"] = longest - 1
    _, [line] = lengths.look_at_lengths(config, known, moments)
    assert line.startswith("backbones.qwen.cutoff: ")
    assert f"more than {longest - 1} tokens" in line


def test_without_a_tokenizer_text_is_estimated(config, moments):
    config["backbones"]["internvl"] |= {"checkpoint": "OpenGVLab/none", "cutoff": 4}
    known = {"internvl": models.look_for_models(config)[0]["internvl"]}
    facts, [line] = lengths.look_at_lengths(config, known, moments)
    assert facts["internvl"]["counted"].startswith("estimated")
    assert "estimated" in line


def test_queries_against_the_positions_of_the_model(config, moments):
    known, _, _ = models.look_for_models(config)
    known["qwen"].config.text_config.max_position_embeddings = 50
    _, wrong = lengths.look_at_lengths(config, known, moments)
    assert any("the model has 50 positions" in line for line in wrong)


def test_an_annotation_that_makes_no_conversation_is_named(config, moments, monkeypatch):
    bad = [moments["llava_video/train"][0]]
    object.__setattr__(bad[0], "query_normalised", "")
    known, _, _ = models.look_for_models(config)
    _, wrong = lengths.look_at_lengths(config, known, {**moments, "llava_video/train": bad})
    assert any(line.startswith("conversations: ") for line in wrong)


# All of it --------------------------------------------------------------------------------------
def test_everything_wrong_stands_in_one_list(config, files, tmp_path, capsys):
    config["benchmarks"]["charades_sta"]["videos"] = "nowhere"
    config["benchmarks"]["nextgqa"]["spans"] = "gone.json"
    config["backbones"]["internvl"]["checkpoint"] = "/models/none"
    config["backbones"]["qwen"]["cutoff"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    named = [f"{place}={file}" for place, file in files.items()]
    status, out, err = groundvts(
        capsys, "preflight", "--config", tmp_path / "config.json", "--moments", *named,
        "--workers", 1, "--out", tmp_path / "preflight.json",
    )  # fmt: skip
    assert status == 2
    assert err.strip() == ("groundvts: preflight: 4 things are wrong, listed above: put them right "
                           "and run it again")  # fmt: skip
    lines = [line for line in out.splitlines() if line.startswith("wrong: ")]
    found = " ".join(lines)
    for said in ("gone.json", "nowhere", "/models/none", "backbones.qwen.cutoff"):
        assert said in found
    record = json.loads((tmp_path / "preflight.json").read_text())
    assert [f"wrong: {line}" for line in record["wrong"]] == lines
    assert record["verb"] == "preflight"


def test_where_nothing_is_wrong_it_says_so(config, files, tmp_path):
    found = check.preflight(config, files, 1)
    assert found["wrong"] == []
    assert found["tokens"]["qwen"]["longest sample"] > 0
    assert Namespace(**found).frames["internvl"] > 0
