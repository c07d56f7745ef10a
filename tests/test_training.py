"""Stages train what they name, follow one another, resume, and merge into a checked folder."""

import dataclasses
import json

import pytest
import torch
from peft import PeftModel
from tiny import frames, tiny, write_base

from groundvts.data.conversations import conversations
from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput, RunFailed
from groundvts.inference.ground import OneVideo
from groundvts.inference.predict import select_tokens
from groundvts.models.load import load_model
from groundvts.prompts import Prompts
from groundvts.records import write_json
from groundvts.training.merge import merge
from groundvts.training.samples import Samples
from groundvts.training.stages import StageSettings, stage_model, trainable_parameters
from groundvts.training.train import StageRun, train_stage

PROMPTS = Prompts.load("toy")
VTS = {"hidden_size": 16, "ratio": 0.5}
RATES = {"vts": 1e-2, "projector": 1e-2, "lora": 1e-2}
MOMENTS = [
    Moment(f"m{i}", "charades_sta", "train", "clip", 6.0, query, ((1.0, 3.0 + i % 2),), i + 1)
    for i, query in enumerate(["red circle", "blue square"] * 4)
]


def stage(data=("charades_sta",), rates=RATES, **more):
    settings = {"steps": 4, "batch_size": 2, "global_batch": 2, "checkpoint_steps": 2, **more}
    return StageSettings(data=list(data), learning_rate=rates, **settings)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def source(base):
    return PixelSource(OneVideo("clip", frames(6, 0)), Encoder(str(base)))


def run(base, source, folder, settings, previous=None, name="grounding"):
    data = [(conversations(MOMENTS, PROMPTS, ["grounding"], "{:02.0f}", 0), source)]
    out = folder / name
    job = StageRun(
        "run", name, str(base), previous, VTS, settings, 0, folder / "checkpoints" / name, out
    )
    same = {"settings": str(settings)}
    given = (job, source.encoder, data, MOMENTS, source, PROMPTS, same)
    with train_stage(*given) as payload:
        assert not out.exists()
        write_json(job.partial / "record.json", payload)
    return out, payload


def adapter_weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_each_stage_trains_the_groups_it_names(base):
    warmup = stage_model(load_model(str(base), VTS), stage(rates={"vts": 1e-2}), None)
    found = trainable_parameters(warmup)
    width, inner = 32, 16
    vts = 2 * width * inner + 2 * (width * width + width)
    assert found.groups == {"vts": vts}
    assert all(".vts." in name for name in found.names)
    joint = trainable_parameters(stage_model(load_model(str(base), VTS), stage(), None))
    layers = 2
    assert joint.groups["lora"] == layers * 4 * 2 * 8 * width
    assert joint.groups["vts"] == vts
    projector = load_model(str(base)).model.visual.merger
    assert joint.groups["projector"] == sum(p.numel() for p in projector.parameters())
    assert not any("visual.blocks" in name for name in joint.names)


def test_looking_at_the_choice_changes_no_weight(base, source, tmp_path, monkeypatch):
    looked, _ = run(base, source, tmp_path / "a", stage())
    monkeypatch.setattr("groundvts.training.train.select_tokens", lambda *_: [])
    blind, _ = run(base, source, tmp_path / "b", stage())
    name = "adapter_model.safetensors"
    assert (looked / name).read_bytes() == (blind / name).read_bytes()


def test_stages_follow_one_another_and_merge(base, source, tmp_path):
    first, payload = run(base, source, tmp_path, stage(rates={"vts": 1e-2}), name="warmup")
    assert payload["steps"] == 4
    assert payload["loss"]
    assert len((first / "selection.jsonl").read_text().splitlines()) == len(MOMENTS)
    untrained = select_tokens(load_model(str(base), VTS), source.encoder, source, MOMENTS, PROMPTS)
    before = [json.loads(s) for s in (first / "selection_before.jsonl").read_text().splitlines()]
    assert [line["kept"] for line in before] == [line["kept"] for line in untrained]
    assert before[0]["scores"] == pytest.approx(untrained[0]["scores"])
    assert before != [json.loads(s) for s in (first / "selection.jsonl").read_text().splitlines()]
    second, _ = run(base, source, tmp_path, stage(), first, "joint")
    assert not (second / "selection_before.jsonl").exists()
    third, _ = run(base, source, tmp_path, stage(), second, "grounding")
    started = load_model(str(base), VTS).vts.project_visual.weight
    learnt = [
        next(t for n, t in adapter_weights(f).items() if "vts.project_visual" in n)
        for f in (first, second, third)
    ]
    for before, after in zip([started, *learnt], learnt, strict=False):
        assert not torch.equal(before, after)
    t = tiny(base, **VTS)
    batch = t.batch(t.sample("red circle", 6, 1))
    manifest = {"frames": {}, "prompts": PROMPTS.templates, "protocol": "fixed"}
    check = merge(str(base), third, VTS, batch, manifest, tmp_path / "merged")
    assert check["adapter_difference"] < 1e-4 < check["base_difference"]
    adapted = PeftModel.from_pretrained(load_model(str(base), VTS), third).eval()
    merged = load_model(str(tmp_path / "merged"))
    with torch.no_grad():
        torch.testing.assert_close(
            merged(**batch).logits, adapted(**batch).logits, atol=1e-4, rtol=1e-4
        )
    assert Encoder(str(tmp_path / "merged")).tokenizer("red circle") == t.encoder.tokenizer(
        "red circle"
    )


@pytest.mark.parametrize(
    ("later", "named"),
    [
        (stage(rates={"vts": 1e-2}), "visual.merger"),
        (stage(lora_rank=4), "lora"),
    ],
)
def test_a_stage_that_would_lose_an_earlier_one_is_refused(base, tmp_path, later, named):
    stage_model(load_model(str(base), VTS), stage(), None).save_pretrained(tmp_path / "joint")
    with pytest.raises(BadInput, match=named):
        stage_model(load_model(str(base), VTS), later, tmp_path / "joint")


def test_an_untrained_adapter_does_not_merge(base, tmp_path):
    torch.manual_seed(0)
    model = stage_model(load_model(str(base), VTS), stage(), None)
    model.save_pretrained(tmp_path / "adapter")
    t = tiny(base, **VTS)
    batch = t.batch(t.sample("red circle", 6, 1))
    with pytest.raises(RunFailed, match="equals the base"):
        merge(str(base), tmp_path / "adapter", VTS | {"start": "shared"}, batch, {}, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_training_without_any_readable_video_is_refused_by_name(base, source, tmp_path):
    source = PixelSource(OneVideo("other", frames(6, 0)), source.encoder)
    with pytest.raises(BadInput, match="m0: video clip"):
        run(base, source, tmp_path, stage())


def test_an_unread_video_costs_its_own_samples_and_is_listed(source):
    gone = [dataclasses.replace(moment, id=f"{moment.id} gone", video="gone") for moment in MOMENTS]
    source.failed["gone"] = "gone.mp4: truncated"
    given = conversations([*MOMENTS, *gone[:3]], PROMPTS, ["grounding"], "{:02.0f}", 0)
    samples = Samples([(given, source)], source.encoder)
    assert len(samples) == len(MOMENTS)
    counts = samples.counts()
    assert (counts["given"], counts["used"]) == (len(MOMENTS) + 3, len(MOMENTS))
    assert [entry["id"] for entry in counts["left_out"]] == [m.id for m in gone[:3]]
    assert counts["left_out"][0]["reason"] == "gone.mp4: truncated"


def test_a_probe_moment_that_cannot_be_read_stays_in_the_selection(base, source):
    gone = dataclasses.replace(MOMENTS[0], id="gone", video="gone")
    model = load_model(str(base), VTS)
    found = select_tokens(model, source.encoder, source, [gone, *MOMENTS], PROMPTS)
    assert [entry["id"] for entry in found] == ["gone", *(m.id for m in MOMENTS)]
    assert found[0]["failure"] == "unread_video"
    assert "grid" not in found[0]
