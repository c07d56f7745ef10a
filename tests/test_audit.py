"""The audit says what the data rules wrote: counts, offenders, shared and unreadable videos."""

import json

import matplotlib.image
import pytest

from groundvts.data.convert import convert
from groundvts.errors import BadInput
from groundvts.records import write_json
from groundvts.report import audit


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two splits of one benchmark: three faults, one of them dropped; one video unreadable."""
    folder = tmp_path_factory.mktemp("toy")
    texts = {
        "train": "a 1.0 3.0##opens\na 9.0 4.0##closes\nb 2.0 25.5##sits\nb x y##runs\n",
        "test": "b 0.0 5.0##runs\nc 1.0 2.0##walks\n",
    }
    (folder / "lengths.csv").write_text("id,length\na,10\nb,20\nc,30\n")
    for split, text in texts.items():
        (folder / f"{split}.txt").write_text(text)
        convert(
            "charades_sta",
            split,
            folder / f"{split}.txt",
            folder / "data" / "charades_sta" / split,
            durations=folder / "lengths.csv",
            policy={"inverted": "drop"} if split == "train" else {},
        )
    entry = {"note": None}
    for split, videos in {"train": ["a", "b"], "test": ["b"]}.items():
        failed = {"c": "c.mp4: truncated"} if split == "test" else {}
        content = {"videos": dict.fromkeys(videos, entry), "failed": failed}
        write_json(folder / "frames" / "charades_sta" / split / "index.json", content)
    write_json(folder / "data" / "overlap.json", {"charades_sta": {"train and test": ["b"]}})
    conversations = folder / "data" / "conversations" / "charades_sta"
    conversations.mkdir(parents=True)
    kinds = ["grounding"] * 3 + ["highlights"]
    lines = [json.dumps({"dataset": "charades_sta", "kind": kind}) + "\n" for kind in kinds]
    (conversations / "train.jsonl").write_text("".join(lines))
    listed = {"splits": ["charades_sta/train", "charades_sta/test"], "training": ["charades_sta"]}
    write_json(folder / "benchmarks.json", listed)
    return folder


def test_splits_are_counted(results):
    table = audit.split_table(results).set_index("split")
    assert table.loc["train", ["records", "findings", "left out", "dropped"]].tolist() == [
        2,
        3,
        1,
        1,
    ]
    assert table.loc["test", ["records", "findings", "left out", "dropped"]].tolist() == [
        2,
        0,
        0,
        0,
    ]
    assert table.loc["test", ["videos read", "unreadable"]].tolist() == [1, 1]


def test_findings_say_how_far_and_what_was_done(results):
    table = audit.finding_table(results).set_index("finding")
    assert table.loc["inverted", "largest (s)"] == 5.0
    assert table.loc["overlong", "largest (s)"] == 5.5
    assert table.loc["inverted", "what was done"] == "1 dropped by policy"
    assert table.loc["overlong", "what was done"] == "1 kept as annotated"
    worst = audit.worst_offenders(results)
    assert worst.kind.tolist()[:2] == ["overlong", "inverted"]
    assert worst["where"].tolist()[:2] == ["train.txt line 3", "train.txt line 2"]
    assert len(audit.worst_offenders(results, 1)) == 1


def test_windows_and_training_parts(results, tmp_path):
    windows = audit.windows_frame(results)
    assert sorted(windows.length) == [1.0, 2.0, 5.0, 23.5]
    assert sorted(windows.start)[-1] == pytest.approx(0.1)
    picture = matplotlib.image.imread(audit.distributions(windows, tmp_path / "data"))
    assert picture.shape[1] > 1000
    parts = audit.training_parts(results).set_index("kind")
    assert parts.loc["highlights", "share of Grounding-FT"] == pytest.approx(25.0)


def test_the_words_are_drawn_from_the_counts(results):
    text = "\n".join(audit.audit_conclusions(results))
    assert "4 records of 2 annotation files were read; 1 entries could not be, and 1 were" in text
    assert "changed or dropped only in charades_sta train" in text
    assert "train and test share 1 videos, such as b" in text
    assert "Cannot be read: c (charades_sta/test): c.mp4: truncated" in text


def test_nothing_converted_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"benchmarks\.json: no such record"):
        audit.split_table(tmp_path)
