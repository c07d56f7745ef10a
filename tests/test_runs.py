"""What a configuration runs: who trains what several share, whose model is asked, and how."""

import copy
from pathlib import Path

import pytest
import yaml

from groundvts.config import checked
from groundvts.errors import BadInput
from groundvts.runs import asked, runs, stage_settings, trainers
from groundvts.scales import base_checkpoint

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
TOY = yaml.safe_load((ROOT / "config.yaml").read_text())


def configured(changes=None, **variants):
    """The toy configuration, changed, with one variant `vts` and those given after it."""
    config = copy.deepcopy(TOY)
    vts = {"label": "VTS", "ratio": 0.5, "seeds": [0, 1]}
    config |= {"variants": {"vts": vts, **variants}, "ablations": {}, "reducers": {}}
    config["evaluate"] = {"charades_sta": "all"}
    return checked(config | (changes or {}), SCHEMA)


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
    *_, vts, _, mixed = runs(config)
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
    assert [run.name for run in narrowed] == ["base-s0", "vts-s0", "more-s0"]


# ---- bases


ONE = {"backbones": {"qwen": {"checkpoint": "my/models/qwen"}}}
EACH = {"backbones": {"qwen": {"checkpoint": "my/models/qwen-s{seed}"}}}
MADE = {"backbones": {"qwen": {"checkpoint": None}}}
BOTH = {
    "intern": {"label": "I", "like": "vts", "backbone": "internvl", "seeds": [4]},
    "more": {"label": "more", "like": "vts", "seeds": [0], "more_seeds": [2, 3]},
    "aside": {"label": "aside", "like": "vts", "main": False, "seeds": [5]},
}


def bases(given, **variants):
    """The runs that ask a base, by name."""
    found = runs(configured(given, **variants))
    return {run.name: run for run in found if run.variant in ("base", "base-internvl")}


@pytest.mark.parametrize("given", [EACH, MADE])
def test_each_seed_asks_a_base_of_its_own(given):
    found = bases(given, **BOTH)
    assert {name: run.main for name, run in found.items()} == {
        **{"base-s0": True, "base-s1": True},  # seeds of the main job's variants
        **{"base-s2": False, "base-s3": False, "base-s5": False},  # and of the ablations'
        "base-internvl-s4": True,
    }
    assert [run.row()["seed"] for run in found.values()] == [0, 1, 2, 3, 5, 4]
    assert all(run.drawn and not run.trains and run.stages == () for run in found.values())
    assert found["base-s0"].label == "Base, all tokens"
    assert found["base-internvl-s4"].label == "InternVL: base, all tokens"


def test_one_checkpoint_is_one_run_without_a_seed():
    config = configured(ONE, **BOTH, slow={"label": "slow", "model": "base", "main": False})
    found = {run.name: run for run in runs(config)}
    row = found["base"].row()
    assert (row["seed"], row["variant"], row["backbone"]) == (None, "base", "qwen")
    assert not {"sampler", "ratio", "weights"} & set(row)  # it has no sampling module
    assert not [name for name in found if name.startswith("base-s")]
    assert found["slow-s0"].row()["seed"] is None  # asks it: no seed enters
    assert found["vts-s1"].row()["seed"] == 1  # is trained from it: one does
    assert found["base-internvl-s4"].row()["seed"] == 4


def test_a_released_checkpoint_has_no_seed():
    released = {"checkpoint": "models/theirs", "on_base": False}
    config = configured(ONE, theirs={"label": "T", "released": released})
    [run] = [run for run in runs(config) if run.variant == "theirs"]
    assert (run.name, run.row()["seed"]) == ("theirs-s0", None)


def test_bases_stand_first_and_are_asked():
    config = configured(EACH, **BOTH)
    assert list(config["variants"])[:2] == ["base", "base-internvl"]
    names = asked(config)["charades_sta"]
    assert names[:4] == ["constant", "base-s0", "base-s1", "base-internvl-s4"]
    assert asked(configured(ONE))["charades_sta"][:2] == ["constant", "base"]


@pytest.mark.parametrize("name", ["base", "constant", "base-internvl"])
def test_a_variant_may_not_be_named_as_what_is_asked_anyway(name):
    given = {"intern": BOTH["intern"], name: {"label": "mine", "like": "vts"}}
    with pytest.raises(BadInput, match=f"^config: variants.{name}: is asked anyway"):
        configured(EACH, **given)


def test_where_the_base_of_a_seed_lies():
    assert base_checkpoint(configured(EACH), "qwen", 3) == "my/models/qwen-s3"
    assert base_checkpoint(configured(ONE), "qwen", 3) == "my/models/qwen"
    made = configured(EACH | {"toy": TOY["toy"] | {"bases": "make"}})
    assert base_checkpoint(made, "qwen", 3) == "results/toy/bases/qwen-s3"
    assert base_checkpoint(configured(MADE), "internvl", 0) == "results/toy/bases/internvl-s0"


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
