"""One question to any model: its answer, its record, the picture, and the two options."""

import json
import math

import numpy as np
import pytest
from clips import write_clip
from tiny import tiny, write_base, write_internvl

from groundvts import cli
from groundvts.data.inputs import Encoder
from groundvts.data.video import Frames
from groundvts.inference import ground as module
from groundvts.models.samplers import SAMPLERS, SCORED
from groundvts.report import timeline

OWN = {"sampler": "vts", "ratio": 0.25, "prune_after": 1}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Model folders by name: two stock ones and, of each backbone, one with a sampling module."""
    folder = tmp_path_factory.mktemp("models")
    made = {
        "qwen stock": write_base(folder / "qwen"),
        "internvl stock": write_internvl(folder / "i"),
    }
    settings = {"qwen": OWN, "internvl": OWN, "masked": {**OWN, "drop": "masked"},
                "all": {"sampler": "none", "ratio": 1.0, "weights": "constant"}}  # fmt: skip
    for name, vts in settings.items():
        stock = made["internvl stock" if name == "internvl" else "qwen stock"]
        made[name] = folder / f"merged-{name}"
        tiny(stock, **vts).model.save_pretrained(made[name])
        Encoder.copy_files(str(stock), made[name])
    return made


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A clip of 6.5 s at 8 frames a second."""
    return write_clip(tmp_path_factory.mktemp("videos") / "clip.mp4", list(range(0, 6500, 125)))


@pytest.fixture
def asked(models, video, tmp_path, monkeypatch):
    """Grounds a query; returns its record as read back, and the timeline that was drawn."""
    drawn = []
    monkeypatch.setattr(timeline, "draw_timelines", lambda clips, stem: drawn.extend(clips))

    def ask(model, **options):
        module.ground(str(models[model]), str(video), "red circle", str(tmp_path), **options)
        return json.loads((tmp_path / "clip.json").read_text()), drawn[-1]

    return ask


@pytest.mark.parametrize("model", ["qwen", "internvl"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_of_both_backbones(asked, model, sampler):
    record, drawn = asked(model, sampler=sampler)
    vts, found = record["settings"]["vts"], record["prediction"]
    assert (vts["sampler"], vts["ratio"]) == (sampler, 1.0 if sampler == "none" else 0.25)
    count = math.prod(found["grid"])
    assert len(found["kept"]) == math.ceil(vts["ratio"] * count) == drawn.kept_thw.sum()
    assert f"sampler {sampler}, ratio {vts['ratio']:g}" in drawn.note
    assert ("did not choose" in drawn.note) == (sampler not in SCORED)


@pytest.mark.parametrize(
    ("model", "options", "sampler", "ratio"),
    [
        ("qwen", {}, "vts", 0.25),
        ("qwen", {"ratio": 0.6}, "vts", 0.6),
        ("qwen", {"ratio": 1.0}, "vts", 1.0),
        ("qwen", {"sampler": "uniform", "ratio": 0.5}, "uniform", 0.5),
        ("masked", {}, "vts", 0.25),
        ("all", {}, "none", 1.0),
        ("all", {"sampler": "random", "ratio": 0.5}, "random", 0.5),
    ],
)
def test_the_record_says_which_settings_were_used(asked, model, options, sampler, ratio):
    record, drawn = asked(model, **options)
    vts, found = record["settings"]["vts"], record["prediction"]
    assert (vts["sampler"], vts["ratio"]) == (sampler, ratio)
    assert len(found["kept"]) == math.ceil(ratio * math.prod(found["grid"]))
    assert ("masked" in drawn.note) == (model == "masked")
    assert (drawn.scores is None) == (model == "all")


@pytest.mark.parametrize("model", ["qwen stock", "internvl stock"])
def test_a_stock_model_reads_everything(asked, model):
    record, drawn = asked(model)
    assert record["settings"]["vts"] is None
    assert drawn.kept_thw.all()
    assert drawn.scores is None
    assert "no sampling, all" in drawn.note


def test_times_are_those_of_the_frames(asked):
    record, drawn = asked("qwen")
    assert record["frames"]["per_step"] == 2
    assert [drawn.frame(step)[1] for step in range(6)] == [0, 1, 2, 3, 4, 5]
    assert drawn.end == 6
    assert drawn.duration == drawn.limit == 6.5
    record, drawn = asked("internvl")
    assert record["frames"]["per_step"] == 1
    middles = (np.arange(16) + 0.5) * 6.5 / 16
    assert np.abs(np.array(drawn.times) - middles).max() <= 0.125  # the file's own frames
    assert drawn.end == pytest.approx(6.5)


@pytest.mark.parametrize("model", ["qwen", "internvl", "qwen stock"])
def test_the_record_holds_the_picture_but_its_pixels(asked, monkeypatch, model):
    record, drawn = asked(model)
    again = []
    monkeypatch.setattr(timeline, "draw_timelines", lambda clips, stem: again.extend(clips))
    pixels = np.zeros((len(record["frames"]["timestamps"]), *drawn.pixels.shape[1:]), np.uint8)
    frames = Frames(pixels, np.zeros(0), 0, 0, "")
    module.Grounding(record, frames).draw("picture")
    assert again[0].pixels.shape == drawn.pixels.shape
    first, second = (vars(one) | {"pixels": None} for one in (drawn, again[0]))
    assert first == second


@pytest.mark.parametrize(
    ("model", "options", "word"),
    [
        ("qwen", ["--ratio", "0"], "--ratio"),
        ("qwen", ["--ratio", "-0.5"], "--ratio"),
        ("qwen", ["--ratio", "nan"], "--ratio"),
        ("qwen", ["--ratio", "much"], "'much'"),
        ("qwen", ["--ratio", "1.5"], "1.5"),
        ("qwen", ["--sampler", "best"], "'best' is none of attention, none"),
        ("qwen", ["--sampler", "none", "--ratio", "0.5"], "none keeps all"),
        ("all", ["--ratio", "0.5"], "none keeps all"),
        ("qwen stock", ["--sampler", "vts"], "no sampling module"),
        ("internvl stock", ["--ratio", "0.5"], "no sampling module"),
    ],
)
def test_what_a_model_cannot_do_is_one_line(models, video, capsys, model, options, word):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["ground", str(models[model]), str(video), "red circle", *options])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.strip().splitlines()
    assert line.startswith("groundvts: ")
    assert word in line


def test_the_options_reach_the_record(models, video, tmp_path, capsys):
    options = ["--sampler", "cosine", "--ratio", "0.5", "--out", str(tmp_path)]
    cli.main(["ground", str(models["qwen"]), str(video), "red circle", *options])
    assert len(capsys.readouterr().out.strip().splitlines()) == 1
    vts = json.loads((tmp_path / "clip.json").read_text())["settings"]["vts"]
    assert (vts["sampler"], vts["ratio"]) == ("cosine", 0.5)
    assert (tmp_path / "clip.png").stat().st_size > 1000
    assert (tmp_path / "clip.pdf").stat().st_size > 1000


def test_another_video_of_the_same_name_overwrites_nothing(models, video, tmp_path, monkeypatch):
    monkeypatch.setattr(timeline, "draw_timelines", lambda clips, stem: stems.append(stem.name))
    (tmp_path / "other").mkdir()
    other = write_clip(tmp_path / "other" / "clip.mp4", list(range(0, 4000, 125)))
    out, stems = tmp_path / "out", []
    for one, query in ((video, "red"), (other, "red"), (video, "blue"), (other, "blue")):
        module.ground(str(models["qwen"]), str(one), query, str(out))
    found = {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}
    assert sorted(found) == sorted(set(stems)) == sorted(["clip", stems[1]])
    assert {name: record["inputs"]["video"]["path"] for name, record in found.items()} == {
        "clip": str(video), stems[1]: str(other)}  # fmt: skip
    assert {record["prediction"]["query"] for record in found.values()} == {"blue"}
    (out / "clip.json").write_text("mine")
    module.ground(str(models["qwen"]), str(video), "red", str(out))
    assert (out / "clip.json").read_text() == "mine"


def test_answers_are_drawn_as_windows_and_failures_as_words(asked, monkeypatch):
    def said(answer):
        def predict(*arguments, **options):
            [line] = real(*arguments, **options)
            return [line | answer]

        monkeypatch.setattr(module, "predict", predict)
        return asked("qwen")[1]

    real = module.predict
    drawn = said({"windows": [[1.0, 2.0], [4.0, 99.0]], "failure": None})
    assert drawn.predicted == ((1.0, 2.0), (4.0, 99.0))
    assert drawn.heading == "“red circle”: 1.0 s to 2.0 s, 4.0 s to 99.0 s"
    assert drawn.limit > 6.5
    drawn = said({"windows": [], "failure": "one_number", "answer": "at 7", "detail": None})
    assert drawn.predicted == ()
    assert drawn.heading == "“red circle”: no window"
    assert drawn.failure == "no window (one_number): the model answered 'at 7'"


def test_a_merged_folder_without_its_manifest_is_refused_and_another_is_noted(tmp_path):
    from groundvts.errors import BadInput
    from groundvts.inference.ground import manifest
    from groundvts.records import write_json

    assert "default prompts" in manifest(str(tmp_path))["note"]
    (tmp_path / "groundvts.json").write_text('{"frames": null, "protocol": "fixed"}')
    with pytest.raises(BadInput, match=r"groundvts\.json: lacks 'prompts'"):
        manifest(str(tmp_path))
    (tmp_path / "groundvts.json").unlink()
    write_json(tmp_path / "record.json", {"verb": "merge"})
    with pytest.raises(BadInput, match=r"groundvts\.json: is not there"):
        manifest(str(tmp_path))
