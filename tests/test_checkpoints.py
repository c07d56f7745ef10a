"""What is left of a stage is continued or taken over where it is whole, and discarded otherwise."""

import json
import multiprocessing
import shutil
import time
from pathlib import Path

import pytest
import ranks
from tiny import write_base

from groundvts.training import train as module
from groundvts.training import trainer
from groundvts.training.checkpoints import (
    STARTED_BY,
    checkpoint_folder,
    checkpoints,
    discard,
    last_checkpoint,
)

ALONE = {"processes": 1, "zero": None}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Ten steps, of which an epoch has two, with a checkpoint after every third."""
    base = write_base(tmp_path_factory.mktemp("models") / "base")
    settings = {"steps": 10, "checkpoint_steps": 3, "lora_dropout": 0.1}
    return {"base": str(base), "vts": {}, "settings": settings, "engine": {}}


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
    (left / "checkpoint-12").mkdir()  # half written: no trainer state
    assert last_checkpoint(left, ALONE).name == "checkpoint-9"
    assert not (left / "checkpoint-12").exists()
    earlier = json.loads((left / "checkpoint-9" / STARTED_BY).read_text())["seconds"]
    payload = ranks.run({**job, "out": str(out)})
    assert (payload["steps"], payload["resumed_from"]) == (10, 9)
    assert payload["training_seconds"] > earlier > 0
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


@pytest.mark.parametrize("deleted", ["trainer_state.json", "optimizer.pt"])
def test_what_is_left_of_a_deleted_checkpoint_is_none(tmp_path, monkeypatch, deleted):
    """Whichever file would have been deleted first."""
    half = tmp_path / "checkpoint-4"
    half.mkdir()
    (half / "trainer_state.json").write_text('{"global_step": 4, "max_steps": 9}')
    (half / STARTED_BY).write_text(json.dumps({**ALONE, "seconds": 1.0}))
    (half / "optimizer.pt").touch()
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


def test_what_other_settings_left_is_discarded_and_named(tmp_path, capsys):
    kept = ("checkpoint-3", "checkpoint-12", "finished")
    with checkpoint_folder(tmp_path, "one"):
        for name in kept:
            (tmp_path / name).mkdir()
    with checkpoint_folder(tmp_path, "one"):
        assert all((tmp_path / name).exists() for name in kept)
    assert not capsys.readouterr().err
    with checkpoint_folder(tmp_path, "two"):
        assert not any((tmp_path / name).exists() for name in kept)
    said = "settings, data or code have changed since: discarding checkpoint-3, checkpoint-12, "
    assert capsys.readouterr().err == f"{tmp_path}: {said}finished\n"


def _hold(folder, held, seconds):
    with checkpoint_folder(folder, "same"):
        held.set()
        time.sleep(seconds)
        (folder / "left by the first").touch()


def test_a_second_process_waits_for_the_first(tmp_path, capsys):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    first = context.Process(target=_hold, args=(tmp_path, held, 1.0))
    first.start()
    assert held.wait(60)
    with checkpoint_folder(tmp_path, "same"):
        assert (tmp_path / "left by the first").exists()
    first.join()
    assert f"process {first.pid} still trains here" in capsys.readouterr().err
