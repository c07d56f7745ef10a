"""Answers are kept as they come: what a killed run has answered is not asked again."""

import json
import threading
from itertools import chain

import pytest
from test_grouped import SECONDS, TOKENS, Clips, moments, without_seconds
from tiny import tiny, write_base

from groundvts.data.features import PixelSource
from groundvts.inference.batches import WHOLE, Shard
from groundvts.inference.journal import forget_others, open_journal, read_batches
from groundvts.inference.predict import predict
from groundvts.prompts import Prompts

KINDS = ("grounding", "question")
SIZES = (2, 2, 1, 2, 1, 2, 1)  # of batches
BATCHES = len(SIZES)


class Killed(Exception):
    """Ends inference in the middle."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return tiny(write_base(tmp_path_factory.mktemp("base")), sampler="vts", ratio=0.5)


@pytest.fixture
def generated(asked, monkeypatch):
    """Counts what the language model generates; from `generated["fatal"]` on it fails."""
    count, true = {"passes": 0, "fatal": 1000}, asked.model.generate_from

    def counted(reduced, **options):
        if count["passes"] == count["fatal"]:
            raise Killed
        count["passes"] += 1
        return true(reduced, **options)

    monkeypatch.setattr(asked.model, "generate_from", counted)
    return count


def infer(asked, folder, fingerprint="f", shard=WHOLE):
    """The lines of a shard, and the journal's account of them."""
    source, prompts = PixelSource(Clips(), asked.encoder), Prompts.load("toy")
    job = (asked.model, asked.encoder, source, moments(), prompts, 2, TOKENS, KINDS)
    with open_journal(folder, fingerprint, shard) as journal:
        found = predict(*job, shard=shard, journal=journal)
    return [without_seconds(line) for line in found], journal.speed()


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory):
    """The uninterrupted run's lines, and the file it left."""
    folder = tmp_path_factory.mktemp("whole")
    lines, speed = infer(asked, folder)
    assert speed["taken_over"] == 0
    assert speed["queries"] == 11
    [file] = folder.glob("*")
    return lines, file


@pytest.mark.parametrize("passes", [0, 1, 2, 5, 11])
def test_an_interrupted_run_goes_on(asked, generated, whole, tmp_path, passes):
    generated["fatal"] = passes
    with pytest.raises(Killed):
        infer(asked, tmp_path)
    generated["fatal"] = 1000
    lines, speed = infer(asked, tmp_path)
    assert lines == whole[0]
    assert speed["taken_over"] == sum(SIZES[: passes // 2])
    assert generated["passes"] == passes % 2 + 2 * BATCHES  # half a batch is asked again


def test_a_line_that_was_not_written_whole_is_dropped(asked, generated, whole, tmp_path, capsys):
    content = whole[1].read_bytes()
    ends = [place + 1 for place, sign in enumerate(content) if sign == ord("\n")]
    for length in {1, *ends, *(end - 1 for end in ends), *(end + 1 for end in ends[:-1])}:
        (tmp_path / whole[1].name).write_bytes(content[:length])
        lines, speed = infer(asked, tmp_path)
        assert lines == whole[0]
        kept = sum(end <= length for end in ends)
        assert speed["taken_over"] == sum(SIZES[:kept])
        assert ("not written whole" in capsys.readouterr().err) == (length not in ends)
        entries, good = read_batches(tmp_path / whole[1].name)
        assert good == (tmp_path / whole[1].name).stat().st_size
        assert sum(len(entry["lines"]) for entry in entries) == 11


@pytest.mark.parametrize("garbage", [b"\0" * 40 + b"\n", b'{"lines": 3}\n', b"[]\n", b"{}\n"])
def test_garbage_is_dropped(asked, whole, tmp_path, garbage):
    first = whole[1].read_bytes().splitlines(keepends=True)[0]
    (tmp_path / whole[1].name).write_bytes(first + garbage + first)
    lines, speed = infer(asked, tmp_path)
    assert (lines, speed["taken_over"]) == (whole[0], 2)


def test_what_other_settings_gave_is_not_taken_over(asked, whole, tmp_path):
    one, other = "f" * 64, "0" * 64
    infer(asked, tmp_path, one)
    assert infer(asked, tmp_path, other)[1]["taken_over"] == 0
    mine = ["mine.jsonl", f"{one}.jsonl", f"x{one}.1-of-1.jsonl", f"{one}.1-of-1.jsonl.jsonl"]
    for name in mine:
        (tmp_path / name).touch()
    forget_others(tmp_path, other)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([*mine, f"{other}.1-of-1.jsonl"])


def test_another_number_of_shards_asks_nothing_again(asked, generated, whole, tmp_path):
    whole_again = sorted(whole[0], key=str)
    for count in (2, 1, 3):
        parts = [infer(asked, tmp_path, shard=Shard(n + 1, count))[0] for n in range(count)]
        assert sorted(chain(*parts), key=str) == whole_again
        assert generated["passes"] == 2 * BATCHES


def test_a_shard_that_died_is_finished_by_fewer(asked, generated, whole, tmp_path):
    infer(asked, tmp_path, shard=Shard(1, 2))
    generated["fatal"] = generated["passes"] + 2
    with pytest.raises(Killed):
        infer(asked, tmp_path, shard=Shard(2, 2))
    generated["fatal"] = 1000
    assert infer(asked, tmp_path)[0] == whole[0]
    assert generated["passes"] == 2 * BATCHES


def test_time_is_that_of_all_batches_whoever_asked_them(asked, whole, tmp_path):
    (tmp_path / whole[1].name).write_bytes(whole[1].read_bytes())
    speed = infer(asked, tmp_path)[1]
    entries = [json.loads(line) for line in whole[1].read_text().splitlines()]
    for stage in ("read", "tower", "reduce", "generate"):
        spent = sum(entry["seconds"][stage] for entry in entries)
        assert speed["stage_seconds"][stage] == pytest.approx(spent)
        assert spent > 0
    total = sum(speed["stage_seconds"].values())
    assert speed["queries_per_second"] == pytest.approx(11 / total)
    assert len({line["video"] for entry in entries for line in entry["lines"]}) == len(SECONDS)


def test_a_process_that_still_answers_is_waited_for(tmp_path, capsys):
    entered = threading.Event()

    def second() -> None:
        with open_journal(tmp_path, "f", WHOLE):
            entered.set()

    with open_journal(tmp_path, "f", WHOLE):
        other = threading.Thread(target=second)
        other.start()
        assert not entered.wait(0.2)
    other.join(5)
    assert entered.is_set()
    assert "still answers here: waiting" in capsys.readouterr().err
