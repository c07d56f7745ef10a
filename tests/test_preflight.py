"""What is looked at before hours are spent: each finding by itself, and all of them in one list."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import yaml
from scales import FRAMES, make_sources
from test_cli import groundvts

from groundvts.config import checked
from groundvts.data.convert import convert
from groundvts.data.moment import read_moments
from groundvts.preflight import check, lengths, models, videos
from groundvts.preflight.needs import places_read

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"


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


def test_the_checkpoint_of_each_seed_is_looked_at_once(config):
    config["backbones"]["qwen"]["checkpoint"] = "/models/none-s{seed}"
    config["variants"]["vts-0.5"]["seeds"] = [0, 1]
    _, _, wrong = models.look_for_models(config)
    assert wrong == [
        f"backbones.qwen.checkpoint: /models/none-s{seed}: no such folder" for seed in (0, 1)
    ]


def test_a_folder_that_is_no_checkpoint(config, tmp_path):
    config["backbones"]["qwen"]["checkpoint"] = str(tmp_path)
    known, _, [line] = models.look_for_models(config)
    assert line.startswith("backbones.qwen.checkpoint: ")
    assert known["qwen"].folder is None


def test_a_checkpoint_of_another_backbone(config):
    config["backbones"]["qwen"]["checkpoint"] = config["backbones"]["internvl"]["checkpoint"]
    _, _, [line] = models.look_for_models(config)
    assert "of another backbone: its model_type is " in line


# Lengths ----------------------------------------------------------------------------------------
def test_samples_against_the_cut_off(config, moments):
    known, _, _ = models.look_for_models(config)
    facts, wrong, notes = lengths.look_at_lengths(config, known, moments)
    assert (wrong, notes) == ([], [])
    assert facts["qwen"]["counted"] == "the longest counted"
    longest = facts["qwen"]["longest sample"]
    config["backbones"]["qwen"]["cutoff"] = longest - 1
    _, [line], _ = lengths.look_at_lengths(config, known, moments)
    assert line.startswith("backbones.qwen.cutoff: ")
    assert f"more than {longest - 1} tokens" in line


def test_what_is_only_estimated_is_a_note(config, moments):
    config["backbones"]["internvl"] |= {"checkpoint": "OpenGVLab/none", "cutoff": 4}
    known = {"internvl": models.look_for_models(config)[0]["internvl"]}
    facts, wrong, [line] = lengths.look_at_lengths(config, known, moments)
    assert wrong == []
    assert facts["internvl"]["counted"].startswith("estimated")
    assert "estimated" in line


def test_queries_against_the_positions_of_the_model(config, moments):
    known, _, _ = models.look_for_models(config)
    known["qwen"].config.text_config.max_position_embeddings = 50
    _, wrong, _ = lengths.look_at_lengths(config, known, moments)
    assert any("the model has 50 positions" in line for line in wrong)


def test_an_annotation_that_makes_no_conversation_is_named(config, moments, monkeypatch):
    bad = [moments["llava_video/train"][0]]
    object.__setattr__(bad[0], "query_normalised", "")
    known, _, _ = models.look_for_models(config)
    _, wrong, _ = lengths.look_at_lengths(config, known, {**moments, "llava_video/train": bad})
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


def test_no_check_ends_the_list(config, files, tmp_path, capsys):
    """Folders that are empty or lack the tokenizer, prompts that are not there, a bad setting."""
    config["benchmarks"]["charades_sta"]["videos"] = "nowhere"
    (tmp_path / "empty").mkdir()
    half = tmp_path / "half"
    half.mkdir()
    settings = Path(config["backbones"]["internvl"]["checkpoint"], "config.json").read_text()
    (half / "config.json").write_text(settings)
    config["backbones"]["qwen"]["checkpoint"] = str(tmp_path / "empty")
    config["backbones"]["internvl"]["checkpoint"] = str(half)
    config["prompts"]["file"] = "gone.yaml"
    (tmp_path / "config.json").write_text(json.dumps(config))
    named = [f"{place}={file}" for place, file in files.items()]
    out = tmp_path / "preflight.json"
    status, _, err = groundvts(
        capsys, "preflight", "--config", tmp_path / "config.json", "--moments", *named,
        "--workers", 1, "--out", out,
    )  # fmt: skip
    assert (status, err.count("\n")) == (2, 1)
    wrong = json.loads(out.read_text())["wrong"]
    assert [line.split(": ")[0] for line in wrong] == [
        "benchmarks.charades_sta.videos",
        "backbones.qwen.checkpoint",
        "conversations",
        "backbones.internvl",
    ]


def test_a_damaged_file_of_moments_is_in_the_list(config, files, tmp_path):
    damaged = tmp_path / "moments.jsonl"
    damaged.write_text("{")
    found = check.preflight(config, files | {"charades_sta/test": damaged}, 1)
    assert [line for line in found["wrong"] if str(damaged) in line]


def test_where_nothing_is_wrong_it_says_so(config, files, tmp_path):
    found = check.preflight(config, files, 1)
    assert found["wrong"] == []
    assert found["tokens"]["qwen"]["longest sample"] > 0
    assert Namespace(**found).frames["internvl"] > 0
