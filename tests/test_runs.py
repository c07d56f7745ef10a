"""What a configuration runs: who trains what several share, whose model is asked, and how."""

import copy
from pathlib import Path

import pytest
import yaml

from groundvts.config import checked
from groundvts.errors import BadInput
from groundvts.runs import runs, stage_settings, trainers

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
TOY = yaml.safe_load((ROOT / "config.yaml").read_text())


def configured(**variants):
    """The toy configuration with one variant `vts` and those given after it."""
    config = copy.deepcopy(TOY)
    vts = {"label": "VTS", "ratio": 0.5, "seeds": [0, 1]}
    config |= {"variants": {"vts": vts, **variants}, "ablations": {}, "reducers": {}}
    config["evaluate"] = {"charades_sta": "all"}
    return checked(config, SCHEMA)


def test_stages_that_are_trained_alike_are_trained_once():
    config = configured(
        short={"label": "1", "like": "vts", "stages": ["warmup"], "seeds": [0, 1, 2]},
        skips={"label": "1, 3", "like": "vts", "stages": ["warmup", "grounding"]},
        late={"label": "2, 3", "like": "vts", "stages": ["joint", "grounding"]},
        other={"label": "other", "like": "vts", "ratio": 0.25},
        named={"label": "same under another name", "like": "vts"},
    )
    found = trainers(config)
    for seed in (0, 1):
        assert found[f"short-s{seed}", "warmup"] == f"vts-s{seed}"
    assert found["short-s2", "warmup"] == "short-s2"
    assert found["skips-s0", "warmup"] == "vts-s0"
    assert found["skips-s0", "grounding"] == "skips-s0"  # comes after another stage
    assert {found["late-s0", s] for s in ("joint", "grounding")} == {"late-s0"}
    assert {found["other-s0", s] for s in ("warmup", "joint", "grounding")} == {"other-s0"}
    assert {found["named-s0", s] for s in ("warmup", "joint", "grounding")} == {"vts-s0"}


@pytest.mark.parametrize(
    "changed",
    [
        {"training": {"warmup": {"steps": 5}}},
        {"freeze": ["projector"], "stages": ["joint"]},
        {"fps": 1.0},
        {"backbone": "internvl"},
        {"tau_weight": 0.5},
    ],
)
def test_whatever_differs_is_trained_anew(changed):
    config = configured(other={"label": "other", "like": "vts", **changed})
    assert {name for (run, _), name in trainers(config).items() if run == "other-s0"} == {
        "other-s0"
    }


def test_a_variant_s_own_settings_of_a_stage():
    data = ["llava_video", "charades_sta"]
    own = {"grounding": {"data": data, "steps": 7}}
    config = configured(mixed={"label": "mixed", "like": "vts", "training": own})
    vts, *_, mixed = runs(config)
    made = stage_settings(config, mixed, "grounding")
    assert (made["data"], made["steps"]) == (data, 7)
    assert made | {"data": 0, "steps": 0} == stage_settings(config, vts, "grounding") | {
        "data": 0,
        "steps": 0,
    }


def test_a_variant_may_ask_another_s_model():
    config = configured(
        sparse={"label": "sparse", "model": "vts", "ratio": 0.1, "seeds": [0, 1]},
        slow={"label": "slow", "model": "base", "fps": 1.0, "main": False},
    )
    found = {run.name: run for run in runs(config)}
    assert found["sparse-s1"].model == "vts-s1"
    assert found["sparse-s1"].vts == found["vts-s1"].vts | {"ratio": 0.1}
    assert (found["slow-s0"].model, found["slow-s0"].vts["sampler"]) == ("base", "none")
    assert not any(found[name].trains or found[name].stages for name in ("sparse-s0", "slow-s0"))
    assert not {run for run, _ in trainers(config)} & {"sparse-s0", "slow-s0"}


def test_only_ablations_train_further_seeds():
    config = configured(more={"label": "more", "like": "vts", "seeds": [0], "more_seeds": [1, 2]})
    assert [run.main for run in runs(config) if run.variant == "more"] == [True, False, False]
    narrowed = runs(config | {"most_seeds": 1})
    assert [run.name for run in narrowed] == ["vts-s0", "more-s0"]


def test_no_stage_is_a_variant_too():
    config = configured(none={"label": "none", "like": "vts", "stages": []})
    assert runs(config)[-1].stages == ()
    assert runs(config)[-1].trains


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ({"model": "nothing"}, "variants.x.model: 'nothing' is no variant before it"),
        ({"model": "vts", "stages": ["joint"]}, "variants.x.stages: asks another's model"),
        ({"model": "vts", "hidden_size": 8}, "variants.x.hidden_size: asks another's model"),
        ({"model": "vts", "seeds": [5]}, "variants.x.seeds: vts-s5 is not trained"),
        ({"training": {"grounding": {"steps": 0}}}, "variants.x.training.grounding.steps: 0 is"),
        ({"training": {"grounding": {"step": 1}}}, "variants.x.training.grounding: Additional"),
        ({"training": {"last": {}}}, "variants.x.training: 'last'"),
        (
            {"training": {"joint": {"data": ["nothing"]}}},
            "variants.x.training.joint.data: no benchmark 'nothing'",
        ),
        ({"fps": 0}, "variants.x.fps: 0 is less than or equal"),
    ],
)
def test_what_cannot_be_run_is_one_line(variant, said):
    with pytest.raises(BadInput, match=rf"^config: {said}") as error:
        configured(x={"label": "x", **variant})
    assert "\n" not in str(error.value)


def test_a_fixed_number_of_frames_has_no_rate():
    config = copy.deepcopy(TOY)
    config["backbones"] = {"internvl": {"frames": {"count": 8}}}
    config["variants"]["internvl-vts-0.25"]["fps"] = 1.0
    with pytest.raises(BadInput, match="fps: internvl reads a fixed number of frames"):
        checked(config, SCHEMA)


def test_each_benchmark_of_an_ablation_is_an_ablation_of_its_own():
    found = checked(TOY | {"only": ["data", "stages"]}, SCHEMA)["ablations"]
    benchmarks = {name: one["benchmark"] for name, one in found.items()}
    assert benchmarks == {
        "data": "charades_sta",
        "data_activitynet_captions": "activitynet_captions",
        "stages": "charades_sta",
    }
    assert found["data"]["variants"] == found["data_activitynet_captions"]["variants"]


@pytest.mark.parametrize("only", ["stages", ["stages"]])
def test_ablations_can_be_narrowed(only):
    assert list(checked(TOY | {"only": only}, SCHEMA)["ablations"]) == ["stages"]
    with pytest.raises(BadInput, match="config: only: no ablation 'stage'; there are stages, "):
        checked(TOY | {"only": ["stage"]}, SCHEMA)
