"""The schema explains every key, and its defaults are the paper's values."""

import json
from pathlib import Path

import pytest
import yaml

from groundvts.config import checked
from groundvts.errors import BadInput
from groundvts.models.vts import VTSConfig
from groundvts.runs import runs
from groundvts.training.stages import StageSettings
from groundvts.yaml_files import check_configurations

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"


def minimal(**changes) -> dict:
    """A configuration of nothing but what is required."""
    splits = {"charades_sta": ["train", "val", "test"], "activitynet_captions": ["train"],
              "qvhighlights": ["train"], "llava_video": ["train"]}  # fmt: skip
    benchmarks = {
        name: {"annotations": "a_{split}", "videos": "v", "splits": known}
        for name, known in splits.items()
    }
    return {"variants": {"vts": {"label": "VTS"}}, "benchmarks": benchmarks, **changes}


def keys(schema: dict, path: str = ""):
    """Every key of the schema as (path, its part of the schema)."""
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part
        yield from keys(part, f"{path}.{name}")


def test_every_key_has_a_description_and_a_default():
    for path, part in keys(json.loads(SCHEMA.read_text())):
        assert part.get("description"), path
        group = path.endswith((".vts", ".projector", ".lora"))  # a group without a rate is frozen
        required = path in (".variants", ".benchmarks")
        assert "default" in part or required or group, path


def test_defaults_are_the_papers_recipe():
    config = checked(minimal(), SCHEMA)
    stages = [StageSettings.from_dict(stage) for stage in config["stages"].values()]
    assert [stage.epochs for stage in stages] == [1, 2, 3]
    assert [max(stage.learning_rate.values()) for stage in stages] == [1e-5, 2e-4, 1e-4]
    assert {(stage.batch_size, stage.global_batch) for stage in stages} == {(2, 64)}
    assert {(s.lora_rank, s.lora_alpha, s.lora_dropout) for s in stages} == {(8, 16, 0.05)}
    assert [stage.data for stage in stages] == [
        ["llava_video"],
        ["llava_video"],
        ["charades_sta", "activitynet_captions", "qvhighlights"],
    ]
    assert (config["frames"]["fps"], config["frames"]["max_frames"]) == (2.0, 128)
    base, run = runs(config)
    assert (base.name, base.model, run.name) == ("base-s0", "base", "vts-s0")
    vts = VTSConfig.from_dict(run.vts)
    assert (vts.hidden_size, vts.ratio, vts.tau) == (512, 0.5, 1.0)


def test_the_committed_config_is_complete():
    config = checked(yaml.safe_load((ROOT / "config.yaml").read_text()), SCHEMA)
    names = [run.name for run in runs(config)]
    assert len(set(names)) == len(names)
    for run in runs(config):
        VTSConfig.from_dict(run.vts)
    main = {run.variant: run.seed for run in runs(config) if run.main}
    for variant in ("vts-0.25", "random-0.25", "uniform-0.25"):
        assert main[variant] == 2  # three seeds


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"protocol": "offical"}, "protocol"),
        ({"protocol": "official"}, "prompts.file: null, but protocol official"),
        ({"frames": {"max_frames": 127}}, "frames.max_frames"),
        ({"stages": {"joint": {"learning_rate": {"llm": 1.0}}}}, "llm"),
        ({"nonsense": 1}, "nonsense"),
        ({"variants": {"a": {"label": "A", "like": "b"}, "b": {"label": "B"}}}, "variants.a.like"),
        ({"variants": {"a": {"label": "A", "like": "a"}}}, "no variant before it; there are none"),
        (
            {"ablations": {"x": {"title": "X", "variants": ["vts", "no"]}}},
            "ablations.x.variants: no variant 'no'",
        ),
        (
            {
                "ablations": {
                    "x": {
                        "title": "X",
                        "variants": ["vts", "base"],
                        "claims": [{"better": "vts", "worse": "no", "says": "S"}],
                    }
                }
            },
            "ablations.x.claims: 'no' is none of its variants: vts, base",
        ),
        (
            {
                "ablations": {
                    "x": {
                        "title": "X",
                        "variants": ["vts", "base"],
                        "published": {"table": "stages", "rows": {"no": {"a": 1}}},
                    }
                }
            },
            "ablations.x.published.rows: 'no' is none of its variants",
        ),
        (
            {"ablations": {"x": {"title": "X", "variants": ["vts", "base"], "benchmarks": ["y"]}}},
            "ablations.x.benchmarks: no benchmark 'y'",
        ),
        ({"scale": "paper"}, "backbones.qwen.checkpoint: null"),
        ({"evaluate": {"tacos": "all"}}, "evaluate: the report is about charades_sta"),
        (
            {"evaluate": {"charades_sta": "all", "llava_video": "all"}},
            "evaluate: llava_video has no split 'test'",
        ),
        ({"evaluate": {"charades_sta": ["vtss"]}}, "evaluate.charades_sta: no variant 'vtss'"),
        ({"probe": "charades_sta/dev"}, "probe: charades_sta has no split 'dev'"),
        ({"policy": {"train": {"inverted": "forget"}}}, "policy.train.inverted"),
        ({"policy": {"trian": {"inverted": "drop"}}}, "no benchmark has a split 'trian'"),
        ({"benchmarks": {"mine": {"annotations": "a", "videos": "v"}}}, "mine.format: needed"),
        (
            {"benchmarks": {"tacos": {"annotations": "a", "videos": "v", "splits": ["a", "b"]}}},
            "one file for 2 splits",
        ),
    ],
)
def test_a_wrong_key_is_named(change, named):
    with pytest.raises(BadInput, match=named):
        checked(minimal(**change), SCHEMA)


def test_a_variant_takes_over_what_it_does_not_name():
    variants = {
        "a": {"label": "A", "ratio": 0.25, "seeds": [0, 1], "tau": 2.0, "backbone": "internvl"},
        "b": {"label": "B", "like": "a", "sampler": "random", "main": False},
        "c": {"label": "C", "like": "b", "tau": 1.0},
    }
    found = {run.name: run for run in runs(checked(minimal(variants=variants), SCHEMA))}
    bases = ["base-s0", "base-internvl-s0", "base-internvl-s1"]  # nothing trains on the first
    assert list(found) == [*bases, "a-s0", "a-s1", "b-s0", "c-s0"]
    b, c = found["b-s0"], found["c-s0"]
    assert (b.label, b.backbone, b.main, c.main) == ("B", "internvl", False, True)
    assert (b.vts["ratio"], b.vts["sampler"], b.vts["tau"]) == (0.25, "random", 2.0)
    assert (c.vts["ratio"], c.vts["sampler"], c.vts["tau"]) == (0.25, "random", 1.0)


def test_a_variant_may_take_another_protocols_module():
    variants = {"a": {"label": "A"}, "b": {"label": "B", "like": "a", "module": "official"}}
    _, plain, released = runs(checked(minimal(variants=variants), SCHEMA))
    assert (plain.vts["query_scope"], plain.vts["drop"]) == ("query", "real")
    assert (released.vts["query_scope"], released.vts["drop"]) == ("official", "masked")


ODD = ["", "a\n", "a b", "a'", 'a"', "a/b", "..", "-a", "a\x1b[1m", "ä", "$(b)", "\u202e", "a" * 81]


def named(place: str, name: str) -> dict:
    """A minimal configuration in which something bears a name."""
    config = minimal()
    one = config["benchmarks"].pop("llava_video")
    if place == "splits":
        config["benchmarks"]["qvhighlights"]["splits"] = ["train", name]
    elif place == "benchmarks":
        config["benchmarks"][name] = one | {"format": "moments"}
    elif place == "ablations":
        config["ablations"] = {name: {"title": "X", "variants": ["vts", "base"]}}
    else:
        config[place] = {name: {"label": "X"}} if place == "variants" else name
    return config


@pytest.mark.parametrize("place", ["benchmarks", "splits", "variants", "ablations", "scale"])
@pytest.mark.parametrize("name", ODD)
def test_a_name_that_breaks_a_path_or_a_shell_line_is_refused(place, name):
    why = rf"^config: [\w.]*{place}[\w.]*: .* (does not match|holds a line break)"
    with pytest.raises(BadInput, match=why) as refused:
        checked(named(place, name), SCHEMA)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("path", ["-x", "a\nb", "a\x1b"])
@pytest.mark.parametrize("key", ["videos", "annotations", "durations"])
def test_a_path_that_is_an_option_or_holds_a_line_break_is_refused(key, path):
    config = minimal()
    config["benchmarks"]["charades_sta"][key] = path
    with pytest.raises(BadInput, match=rf"benchmarks.charades_sta.{key}: '"):
        checked(config, SCHEMA)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        *[({"seed": seed}, "seed") for seed in (10**24, float("nan"), float("inf"), 1e300)],
        ({"frames": {"fps": float("nan")}}, "frames.fps"),
        ({"frames": {"fps": float("inf")}}, "frames.fps"),
        ({"backbones": {"qwen": {"frames": {"fps": float("inf")}}}}, "backbones.qwen.frames.fps"),
        ({"toy": {"clips": {"test": 10**12}}}, "toy.clips.test"),
        ({"inference": {"shards": 100_000}}, "inference.shards"),
        ({"score": {"resamples": 10**9}}, "score.resamples"),
        ({"efficiency": {"prefill": {"layers": 10**9}}}, "efficiency.prefill.layers"),
        ({"variants": {"v": {"label": "V", "seeds": [*range(1000)]}}}, "variants.v.seeds"),
        ({"variants": {f"v{n}": {"label": "V"} for n in range(1000)}}, "variants"),
        ({"variants": {"v": {"label": "V", "training": {"joint": {"steps": 10**12}}}}},
         "variants.v.training.joint.steps"),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_meant_is_named(change, key):
    with pytest.raises(BadInput, match=rf"^config: {key}: ") as refused:
        checked(minimal(**change), SCHEMA)
    assert len(str(refused.value)) < 400


BOMB = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{" + ", ".join(f"k{n}: *{before}" for n in range(9)) + "}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("seed: 1\nvts:\n  tau: 1\n  tau: 2\n", "line 4: 'tau' stands twice"),
        (BOMB, "stands for more than 100000 values"),
        ("a: &a [*a]", "stands for more than"),
        ("a: " + "[" * 5000 + "]" * 5000, "recursion"),
        ("seed: " + "1" * 5000, "limit"),
        ("- a", "holds no keys"),
        ("", "holds no keys"),
        ("seed: \x00", "no YAML"),
        ("\ud800\udfff", "utf-8"),
        ("# " + "x" * 1_000_001, "more than 1000000 bytes"),
        ("seed: !!python/name:os.system", "no YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(tmp_path, text, why):
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput, match=why) as refused:
        check_configurations(path, tmp_path / "absent.yaml")
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_anchors_that_a_person_writes_are_read():
    check_configurations(ROOT / "config.yaml", *(ROOT / "workflow" / "scales").glob("*.yaml"))
