"""What is left of a stage is continued or taken over where it is whole, and passed over where it is
not; that of another training is set aside."""

import json
import multiprocessing
import shutil
import time
from pathlib import Path

import pytest
import ranks
from tiny import write_base

from groundvts.records import modules
from groundvts.training import train as module
from groundvts.training import trainer
from groundvts.training.checkpoints import (
    SEAL,
    checkpoint_folder,
    checkpoints,
    discard,
    last_checkpoint,
    seal,
)
from groundvts.training.stages import StageSettings

ALONE = {"processes": 1, "zero": None}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Ten steps, of which an epoch has two, with a checkpoint after every third.

    The loss is logged after every fifth, so between two checkpoints.
    """
    base = write_base(tmp_path_factory.mktemp("models") / "base")
    settings = {"steps": 10, "checkpoint_steps": 3, "lora_dropout": 0.1}
    return {"base": str(base), "vts": {}, "settings": settings, "engine": {}, "every": 5}


@pytest.fixture(scope="module")
def whole(job, tmp_path_factory):
    """The folder of a stage that nothing has disturbed, and its payload."""
    out = tmp_path_factory.mktemp("whole") / "stage"
    return out, ranks.run({**job, "out": str(out)})


class Killed(Exception):
    pass


def kill(*_):
    raise Killed


def killed(job, out, monkeypatch, function: str) -> Path:
    """Runs a stage that is killed when it comes to a function; its checkpoints."""
    with monkeypatch.context() as patch:
        patch.setattr(module, function, kill)
        with pytest.raises(Killed):
            ranks.run({**job, "out": str(out)})
    assert not out.exists()
    return out.with_name(out.name + "-checkpoints")


def same_weights(one: Path, other: Path) -> bool:
    name = "adapter_model.safetensors"
    return (one / name).read_bytes() == (other / name).read_bytes()


def test_a_stage_continues_from_its_last_whole_checkpoint(job, whole, tmp_path, monkeypatch):
    out = tmp_path / "stage"
    left = killed(job, out, monkeypatch, "check_adapter")
    assert [path.name for path in checkpoints(left)] == ["checkpoint-9", "checkpoint-10"]
    assert last_checkpoint(left, ALONE).name == "checkpoint-9"  # 10 leaves no step to do
    (left / "checkpoint-12").mkdir()  # half written
    assert last_checkpoint(left, ALONE).name == "checkpoint-9"
    assert not (left / "checkpoint-12").exists()
    earlier = json.loads((left / "checkpoint-9" / SEAL).read_text())["seconds"]
    payload = ranks.run({**job, "out": str(out)})
    assert (payload["steps"], payload["resumed_from"]) == (10, 9)
    assert payload["training_seconds"] > earlier > 0
    assert [entry["step"] for entry in payload["loss"]] == [5, 10]
    assert payload["loss"] == whole[1]["loss"]
    assert same_weights(out, whole[0])
    assert not checkpoints(left)


@pytest.mark.parametrize("lost", ["output", "probe"])
def test_a_finished_stage_is_taken_over(job, whole, tmp_path, monkeypatch, lost):
    """Whether it was killed before its output was whole, or the output was deleted since."""
    out = tmp_path / "stage"
    if lost == "probe":
        killed(job, out, monkeypatch, "select_tokens")
    else:
        for path in whole[0].parent.glob("stage*"):
            shutil.copytree(path, tmp_path / path.name)
        shutil.rmtree(out)
    monkeypatch.setattr(trainer.StageTrainer, "training_step", kill)
    payload = ranks.run({**job, "out": str(out)})
    assert same_weights(out, whole[0])
    assert payload["loss"] == whole[1]["loss"]
    assert payload["resumed_from"] == payload["steps"] == 10
    assert payload["training_seconds"] > 0
    assert {path.name for path in out.iterdir()} == {path.name for path in whole[0].iterdir()}


@pytest.mark.parametrize("deleted", [SEAL, "optimizer.pt"])
def test_what_is_left_of_a_deleted_checkpoint_is_none(tmp_path, monkeypatch, deleted):
    """Whichever file would have been deleted first."""
    half = tmp_path / "checkpoint-4"
    half.mkdir()
    (half / "optimizer.pt").touch()
    seal(half, {**ALONE, "left": 5})
    assert last_checkpoint(tmp_path, ALONE) == half

    def stopped(folder, **_):
        (folder / deleted).unlink(missing_ok=True)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stopped)
        with pytest.raises(Killed):
            discard(half)
    assert half.exists()
    assert last_checkpoint(tmp_path, ALONE) is None


def test_old_checkpoints_are_deleted_by_what_makes_them_none(job, tmp_path, monkeypatch):
    """Not by transformers, which deletes the files of a checkpoint in any order."""
    deleted = []
    monkeypatch.setattr(trainer, "discard", lambda path: (deleted.append(path.name), discard(path)))
    killed(job, tmp_path / "stage", monkeypatch, "check_adapter")
    assert deleted == ["checkpoint-3", "checkpoint-6"]


def damaged(file: Path, how: str) -> None:
    """Cuts a file in half, or flips a few of its bytes."""
    content = bytearray(file.read_bytes())
    half = len(content) // 2
    content[half : half + 4] = bytes(255 - byte for byte in content[half : half + 4])
    file.write_bytes(content[:half] if how == "cut" else content)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, capsys, how):
    names = (
        "adapter_model.safetensors",
        "optimizer.pt",
        "rng_state.pth",
        "trainer_state.json",
        SEAL,
    )
    for name in names:
        for step in (3, 6):
            folder = tmp_path / name / f"checkpoint-{step}"
            folder.mkdir(parents=True)
            for number, other in enumerate(names[:-1]):
                (folder / other).write_text(f"{number}{step}" * 99)
            seal(folder, {**ALONE, "left": 9 - step})
        if how == "gone":
            (folder / name).unlink()
        else:
            damaged(folder / name, how)
        assert last_checkpoint(tmp_path / name, ALONE).name == "checkpoint-3"
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert str(folder / name if (how, name) != ("gone", SEAL) else folder) in said
        assert "going on without it" in said


def test_a_stage_with_a_damaged_checkpoint_ends_as_if_it_were_whole(
    job, whole, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "stage"
    short = {**job, "settings": {**job["settings"], "checkpoint_steps": 2}}
    with monkeypatch.context() as patch:
        patch.setattr(module, "check_adapter", kill)
        with pytest.raises(Killed):
            ranks.run({**short, "out": str(out)})
    left = out.with_name("stage-checkpoints")
    assert files_of(left)[:2] == ["checkpoint-10", "checkpoint-8"]
    damaged(left / "checkpoint-10" / "optimizer.pt", "cut")
    payload = ranks.run({**short, "out": str(out)})
    assert payload["resumed_from"] == 8
    assert payload["loss"] == whole[1]["loss"]
    assert same_weights(out, whole[0])
    assert str(left / "checkpoint-10" / "optimizer.pt") in capsys.readouterr().err


@pytest.mark.parametrize("name", ["adapter_model.safetensors", SEAL])
def test_a_damaged_finished_stage_is_trained_again(job, whole, tmp_path, capsys, name):
    for path in whole[0].parent.glob("stage*"):
        shutil.copytree(path, tmp_path / path.name)
    out = tmp_path / "stage"
    shutil.rmtree(out)
    file = tmp_path / "stage-checkpoints" / "finished" / name
    damaged(file, "flipped")
    payload = ranks.run({**job, "out": str(out)})
    assert f"{file}: is not as it was written" in capsys.readouterr().err
    assert payload["resumed_from"] == 0
    assert same_weights(out, whole[0])


def test_another_batch_size_goes_on_and_is_told(job, whole, tmp_path, monkeypatch):
    out = tmp_path / "stage"
    killed(job, out, monkeypatch, "check_adapter")
    settings = {**job["settings"], "batch_size": 1, "checkpoint_steps": 1}
    payload = ranks.run({**job, "settings": settings, "out": str(out)})
    assert (payload["steps"], payload["resumed_from"]) == (10, 9)
    assert payload["batch_sizes"] == {"0": 2, "9": 1}
    assert whole[1]["batch_sizes"] == {"0": 2}
    assert payload["engine"]["batch_size"] == 1
    assert payload["loss"][-1]["loss"] == pytest.approx(whole[1]["loss"][-1]["loss"], rel=0.01)


def test_what_is_of_another_training_is_set_aside_and_taken_back(tmp_path, capsys):
    kept = ("checkpoint-3", "checkpoint-12", "finished")
    one = {"settings": "1", "data": "1"}
    with checkpoint_folder(tmp_path, one):
        for name in kept:
            (tmp_path / name).mkdir()
    with checkpoint_folder(tmp_path, one):
        assert all((tmp_path / name).exists() for name in kept)
    assert not capsys.readouterr().err
    with checkpoint_folder(tmp_path, {"settings": "2", "data": "1"}):
        assert not any((tmp_path / name).exists() for name in kept)
        (tmp_path / "checkpoint-3").mkdir()
    [away] = (tmp_path / "set-aside").iterdir()
    assert files_of(away) == sorted(kept)
    said = f"{tmp_path}: another settings than before: {', '.join(kept)} set aside in {away}: "
    assert capsys.readouterr().err.startswith(said)
    with checkpoint_folder(tmp_path, one):
        assert all((tmp_path / name).exists() for name in kept)
    said = capsys.readouterr().err
    assert "checkpoint-3 set aside in" in said
    assert f"{tmp_path}: {', '.join(kept)} taken back from {away}\n" in said
    (tmp_path / "identity.json").unlink()  # as by an earlier version
    with checkpoint_folder(tmp_path, one):
        assert not checkpoints(tmp_path)
    assert len(list((tmp_path / "set-aside").glob("*/checkpoint-12"))) == 1


def record_of(**inputs: str) -> dict:
    versions = dict.fromkeys(("torch", "transformers", "peft", "numpy"), "1")
    hashed = {"base": "b", "probe": "p", "data 0": "d", "source 0": "s", **inputs}
    return {"versions": versions, "inputs": {n: {"sha256": h} for n, h in hashed.items()}}


def test_a_training_is_what_decides_its_weights(tmp_path, monkeypatch):
    """Not where it lies, the probe, what memory asks for, the record of the stage before, nor
    the code of reports."""
    previous = tmp_path / "previous"
    previous.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors", "record.json"):
        (previous / name).write_text(name)

    def made(record=None, vts=None, base="x", **settings):
        stage = StageSettings(["own"], ranks.RATES, **settings)
        job = module.StageRun(
            "run", "joint", base, previous, vts or {}, stage, 0, tmp_path, tmp_path
        )
        return module.identity(job, record or record_of())

    first = made()
    assert made(batch_size=1, checkpoint_steps=7, dtype="float32", base="y") == first
    assert made(record_of(probe="other")) == first
    (previous / "record.json").write_text("of another run")
    assert made() == first

    def changed(other: dict) -> list[str]:
        return [name for name in first if first[name] != other[name]]

    assert changed(made(lora_rank=4)) == changed(made(vts={"ratio": 0.5})) == ["settings"]
    assert changed(made(record_of(base="other"))) == ["data"]
    code = {file.name for file in modules("training.train")}
    assert {"trainer.py", "vts.py", "inputs.py", "load.py"} <= code
    assert not code & {"tables.py", "card.py", "cli.py", "score.py"}
    assert changed(made(vts={"sampler": "uniform", "ratio": 0.5})) == ["settings", "code"]
    (previous / "adapter_model.safetensors").write_text("other weights")
    assert changed(made()) == ["data"]


def _hold(folder, held, seconds):
    with checkpoint_folder(folder, {}):
        held.set()
        time.sleep(seconds)
        (folder / "left by the first").touch()


def test_a_second_process_waits_for_the_first(tmp_path, capsys):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    first = context.Process(target=_hold, args=(tmp_path, held, 1.0))
    first.start()
    assert held.wait(60)
    with checkpoint_folder(tmp_path, {}):
        assert (tmp_path / "left by the first").exists()
    first.join()
    assert f"process {first.pid} still trains here" in capsys.readouterr().err
