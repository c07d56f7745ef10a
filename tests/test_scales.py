"""Scales other than toy: what holds of their configurations."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from groundvts.config import checked
from groundvts.errors import BadInput
from groundvts.preflight.needs import places_read
from groundvts.runs import runs, stage_settings
from groundvts.scales import (
    Checkpoint,
    base_checkpoint,
    check_sources,
    effective,
    folder_of,
    frames_name,
    frames_of,
    released_checkpoint,
)
from groundvts.training.stages import StageSettings

ROOT = Path(__file__).resolve().parents[1]
SCALES = ROOT / "workflow" / "scales"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
TOY = yaml.safe_load((ROOT / "config.yaml").read_text())
NAMES = sorted(file.stem for file in SCALES.glob("*.yaml"))


def of(name: str, **changes) -> dict:
    """The whole configuration of a scale file, with settings changed."""
    given = yaml.safe_load((SCALES / f"{name}.yaml").read_text())
    return checked(effective(TOY, {**given, **changes}, SCALES), SCHEMA)


# What holds -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_toy_configuration_is_left(name):
    found = of(name)
    given = yaml.safe_load((SCALES / f"{name}.yaml").read_text())
    bases = {"base", "base-internvl"} & set(found["variants"])
    assert set(found["variants"]) - bases == set(given["variants"])
    assert all(run.name == run.variant for run in runs(found) if run.variant in bases)
    assert found["stages"]["joint"]["steps"] is None
    assert found["vts"]["tau_weight"] is None
    assert "results/toy" not in json.dumps(found)


def test_the_papers_recipe():
    config = of("paper")
    stages = [StageSettings.from_dict(config["stages"][name]) for name in config["stages"]]
    assert [stage.epochs for stage in stages] == [1, 2, 3]
    assert [set(stage.learning_rate.values()) for stage in stages] == [{1e-5}, {2e-4}, {1e-4}]
    assert {(stage.batch_size, stage.global_batch) for stage in stages} == {(2, 64)}
    assert {(s.lora_rank, s.lora_alpha, s.lora_dropout) for s in stages} == {(8, 16, 0.05)}
    assert {(s.warmup, s.min_learning_rate, s.steps) for s in stages} == {(0.1, 0.0, None)}
    assert not config["backbones"]["internvl"]["lora_vision"]
    assert [stage.data for stage in stages] == [
        ["llava_video"],
        ["llava_video"],
        ["charades_sta", "activitynet_captions", "qvhighlights"],
    ]
    found = {run.variant: run for run in runs(config)}
    assert [(found[n].vts["hidden_size"], found[n].vts["ratio"], found[n].backbone)
            for n in ("vts-0.5", "internvl-vts-0.5")] == [
        (512, 0.5, "qwen"), (128, 0.5, "internvl")]  # fmt: skip
    plain = found["internvl-full"]
    assert (plain.stages, plain.freeze, plain.backbone) == (("grounding",), ("vts",), "internvl")
    assert (plain.vts["weight_scale"], plain.vts["post_mlp"]) == ("mean1", False)
    assert len(config["benchmarks"]["llava_video"]["annotations"]) == 12
    assert set(config["evaluate"].values()) == {"all"}


def test_frames_of_each_backbone():
    config = of("paper")
    qwen, intern = (frames_of(config, name) for name in ("qwen", "internvl"))
    assert (qwen["fps"], qwen["max_frames"], qwen["max_pixels"], qwen["count"]) == (
        2.0, 128, 16384, None)  # fmt: skip
    assert (intern["count"], intern["side"]) == (16, 448)
    names = [frames_name(config, name) for name in ("qwen", "internvl")]
    assert names == ["frames", "frames-internvl"]
    assert frames_name(checked(TOY, SCHEMA), "internvl") == "frames"


def test_the_values_of_the_released_files():
    stages = of("paper-yaml")["stages"]
    assert {stage["epochs"] for stage in stages.values()} == {3}
    rates = [set(stage["learning_rate"].values()) for stage in stages.values()]
    assert rates == [{1e-5}, {1e-4}, {1e-4}]
    first = stages["warmup"]
    assert (first["batch_size"], first["global_batch"]) == (1, 64)
    assert stages["joint"]["lora_rank"] == 8
    config = of("paper-yaml")
    vision = {run.backbone: stage_settings(config, run, "joint")["lora_vision"]
              for run in runs(config)}  # fmt: skip
    assert vision == {"qwen": False, "internvl": True}
    assert of("paper-yaml")["benchmarks"]["qvhighlights"]["kinds"] == ["grounding"]


def test_published_files_are_those_known_here(reference_data):
    known = of("paper")["downloads"]
    seen = 0
    for name, source in known.items():
        file = reference_data / "annotations" / name
        if file.is_file():
            seen += 1
            assert source["bytes"] == file.stat().st_size, name
            assert source["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest(), name
    assert seen == 8
    assert all(source["url"].startswith("https://") for source in known.values())


def test_places_that_are_read():
    read = places_read(of("paper"))
    tests = {"charades_sta/test", "activitynet_captions/test", "qvhighlights/val", "nextgqa/test"}
    training = {f"{n}/train" for n in ("charades_sta", "activitynet_captions", "qvhighlights")}
    assert {name: set(places) for name, places in read.items()} == {
        name: tests | training | {"llava_video/train"} for name in ("qwen", "internvl")
    }
    assert set(places_read(of("released"))["internvl"]) == tests


def test_a_checkpoint_is_a_folder_or_one_of_the_hub(tmp_path):
    config = of("paper")
    found = base_checkpoint(config, "qwen", 0)
    assert found == Checkpoint(
        "Qwen/Qwen2.5-VL-7B-Instruct", "cc594898137f460bfe9f0759e9844b3ce807cfb5"
    )
    assert re.fullmatch(
        r"results/downloads/models/Qwen--Qwen2\.5-VL-7B-Instruct@\w{40}", folder_of(found)
    )
    config["backbones"]["qwen"]["checkpoint"] = str(tmp_path)
    assert folder_of(base_checkpoint(config, "qwen", 0)) == str(tmp_path)
    released = [run for run in runs(of("released")) if run.released][-1].released
    assert folder_of(released_checkpoint(released)).endswith("GroundVTS@main--GroundVTS-I")
    assert released_checkpoint({**released, "checkpoint": "/x"}) == "/x/GroundVTS-I"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"extends": "nothing"}, "extends: 'nothing': .* has only paper, paper-yaml, released"),
        ({"backbones": {"qwen": {"checkpoint": None}}}, "backbones.qwen.checkpoint: null"),
        ({"backbones": {"qwen": {"frames": {"fps": -1}}}}, "backbones.qwen.frames.fps"),
        ({"backbones": {"qwen": {"frames": {"rate": 1}}}}, "backbones.qwen.frames: .*'rate'"),
        ({"variants": {"a": {"label": "A", "stages": ["joint", "warmup"]}}}, "the order is"),
        ({"variants": {"a": {"label": "A", "freeze": ["vts"]}}}, "nothing is left to train"),
        ({"variants": {"a": {"label": "A", "released": {}}}}, "'checkpoint' is a required"),
        ({"features": True}, "backbones.internvl.lora_vision: .*set features: false"),
        ({"backbones": {"qwen": {"lora_vision": True}}}, "backbones.qwen: .*'lora_vision'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_scale_is_named(changes, said):
    with pytest.raises(BadInput, match=said):
        of("paper-yaml", **changes)


def test_a_file_that_extends_another_is_of_its_scale():
    given = {"extends": "paper", "backbones": {"qwen": {"checkpoint": "/models/qwen"}}}
    config = checked(effective(TOY | given, given, SCALES), SCHEMA)
    assert (config["scale"], config["stages"]["joint"]["steps"]) == ("paper", None)
    assert config["backbones"]["qwen"]["checkpoint"] == "/models/qwen"
    assert set(config["variants"]) == set(of("paper")["variants"])


def test_what_is_null_is_left_out():
    given = yaml.safe_load((SCALES / "paper.yaml").read_text())
    given["variants"] |= {"internvl-full": None, "internvl-vts-0.5": None}
    given["evaluate"]["nextgqa"] = given["benchmarks"]["nextgqa"] = None
    config = checked(effective(TOY, given, SCALES), SCHEMA)
    assert (set(places_read(config)), "nextgqa" in config["benchmarks"]) == ({"qwen"}, False)


def test_annotations_that_are_nowhere_are_named_together():
    config = of("paper")
    check_sources(config)
    config["benchmarks"]["charades_sta"]["durations"] = "/nowhere/{split}.csv"
    config["benchmarks"]["nextgqa"]["spans"] = "results/downloads/nextgqa/other.json"
    with pytest.raises(BadInput) as found:
        check_sources(config)
    assert len(str(found.value).splitlines()) == 1
    for said in ("/nowhere/train.csv: no such file", "/nowhere/test.csv",
                 "other.json: not among the downloads"):  # fmt: skip
        assert said in str(found.value)
