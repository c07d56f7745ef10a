"""Two processes train what one does, on every engine; killed, they go on as they were."""

import json
import signal
import time

import pytest
import ranks
import torch
from safetensors.torch import load_file
from tiny import write_base, write_internvl

from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder
from groundvts.models.load import load_model
from groundvts.training.samples import DurationGrouped, Samples

TOLERANCE = 1e-5  # of losses of about 5.7 and of weights, after six steps at a rate of 0.01
DISTRIBUTED = {"ddp": {}, "zero 2": {"zero": 2}, "zero 3": {"zero": 3}}
FURTHER = {
    "zero 0": {"zero": 0},
    "zero 2 offload": {"zero": 2, "offload": True},
    "ddp recomputing": {"gradient_checkpointing": True},
}
ENGINES = {**DISTRIBUTED, **FURTHER}
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def alone(folder):
    """Trains a backbone on one process, once; (job, payload of the record)."""
    made = {}

    def train(backbone: str):
        if backbone not in made:
            base = {"qwen": write_base, "internvl": write_internvl}[backbone](folder / backbone)
            job = {"base": str(base), "vts": {}, "settings": {}, "engine": {}}
            made[backbone] = job, ranks.run({**job, "out": str(folder / f"{backbone}-alone")})
        return made[backbone]

    return train


def weights(folder) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def kept(folder) -> list:
    lines = (folder / "selection.jsonl").read_text().splitlines()
    return [json.loads(line)["kept"] for line in lines]


def launched(job: dict, folder, **more) -> dict:
    """The payload of a job on two processes."""
    status, said = ranks.launch({**job, **more}, folder)
    assert status == 0, said[-3000:]
    return json.loads((folder / more["out"] / "payload.json").read_text())


@pytest.mark.parametrize(
    ("backbone", "engine"),
    [
        ("qwen", "ddp"),
        *(pytest.param("qwen", name, marks=slow) for name in list(ENGINES)[1:]),
        *(pytest.param("internvl", name, marks=slow) for name in DISTRIBUTED),
    ],
)
def test_two_processes_train_what_one_does(alone, folder, backbone, engine):
    job, one = alone(backbone)
    out = folder / f"{backbone}-{engine.replace(' ', '')}"
    two = launched(job, folder, engine=ENGINES[engine], out=str(out))
    assert (one["engine"]["accumulation"], two["engine"]["accumulation"]) == (4, 2)
    assert two["engine"]["processes"] == 2
    assert two["engine"]["zero"] == ENGINES[engine].get("zero")
    assert [entry["step"] for entry in two["loss"]] == list(range(1, 7))
    losses = [[entry["loss"] for entry in payload["loss"]] for payload in (one, two)]
    assert losses[1] == pytest.approx(losses[0], abs=TOLERANCE)
    expected, found = weights(folder / f"{backbone}-alone"), weights(out)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=TOLERANCE, rtol=0, msg=name)
    assert kept(out) == kept(folder / f"{backbone}-alone")


def test_a_steps_loss_is_the_mean_over_its_answer_tokens(alone):
    """The first step's loss, by hand: over eight answers of unequal length at once."""
    job, one = alone("qwen")
    encoder = Encoder(job["base"])
    data = Samples([(ranks.samples(), PixelSource(ranks.Clips(), encoder))], encoder)
    order = list(DurationGrouped(data.durations, 8, 0))[:8]
    model = load_model(job["base"], {"hidden_size": 16})
    total, count = 0.0, 0
    with torch.no_grad():
        for index in order:
            batch = encoder.collate([data[index]])
            answers = int((batch["labels"] != -100).sum())
            total, count = total + float(model(**batch).loss) * answers, count + answers
    assert one["loss"][0]["loss"] == pytest.approx(total / count, abs=TOLERANCE)


def test_of_a_bad_input_the_first_process_alone_tells(folder):
    names = ("run", "stage", "base", "data", "probe", "checkpoints", "out")
    options = [word for name in names for word in (f"--{name}", f"{name}={name}")]
    words = ["-m", "--", "groundvts.cli", "train", *options, "--settings={"]
    status, said = ranks.ended(ranks.torchrun(words))
    assert status == 1
    assert said.count("groundvts: --settings: ") == 1


@slow
@pytest.mark.parametrize("kind", [0, signal.SIGKILL])
def test_one_process_that_fails_ends_all(alone, folder, kind):
    job, _ = alone("qwen")
    out = folder / f"failed-{int(kind)}"
    fault = {"rank": 1, "step": 3, "kind": int(kind)}
    status, said = ranks.launch({**job, "out": str(out), "fault": fault}, folder, seconds=120)
    assert status != 0
    assert not out.exists()
    assert ("the disk is gone" in said) == (kind == 0)


@slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("engine", DISTRIBUTED)
def test_killed_and_continued_it_ends_with_the_same_weights(alone, folder, engine, rank):
    job, _ = alone("qwen")
    job = {**job, "engine": DISTRIBUTED[engine], "vts": {"sampler": "random"},
           "settings": {"lora_dropout": 0.1, "checkpoint_steps": 2}}  # fmt: skip
    name = engine.replace(" ", "")
    whole, again = folder / f"whole-{name}", folder / f"again-{name}-{rank}"
    if not whole.exists():
        launched(job, folder, out=str(whole))
    fault = {"rank": rank, "step": 3, "kind": int(signal.SIGKILL)}
    status, _ = ranks.launch({**job, "out": str(again), "fault": fault}, folder)
    assert status != 0
    payload = launched(job, folder, out=str(again))
    assert payload["resumed_from"] == 2
    expected, found = weights(whole), weights(again)
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


@slow
def test_no_process_outlives_torchrun(alone, folder):
    """A rank that trained on would hold the checkpoints, and the next run would wait for it."""
    job, _ = alone("qwen")
    job = {**job, "settings": {"checkpoint_steps": 2}, "out": str(folder / "orphans")}
    fault = {"rank": 1, "step": 3, "kind": int(signal.SIGSTOP)}
    process = ranks.start({**job, "fault": fault}, folder)
    whole = folder / "orphans-checkpoints" / "checkpoint-2" / "whole.json"
    deadline = time.monotonic() + 240
    while not whole.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert launched(job, folder, out=job["out"])["resumed_from"] == 2
