"""A folder that appears whole or not at all, whoever else writes it."""

import threading

import pytest

from groundvts.data.files import whole_folder
from groundvts.errors import RunFailed


def test_a_failed_merge_keeps_the_folder_that_was_there(tmp_path):
    out = tmp_path / "merged"
    for content in ("first", "second"):
        with whole_folder(out) as partial:
            (partial / "record.json").touch()
            (partial / "file").write_text(content)

    def fail():
        with whole_folder(out) as partial:
            (partial / "file").write_text("third")
            raise RunFailed("on the way")

    with pytest.raises(RunFailed):
        fail()
    assert (out / "file").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_one_who_still_writes_a_folder_is_waited_for(tmp_path):
    out, order = tmp_path / "model", []

    def second() -> None:
        with whole_folder(out) as partial:
            order.append(list(partial.iterdir()))
            (partial / "record.json").write_text("second")

    with whole_folder(out) as partial:
        (partial / "record.json").write_text("first")
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        assert order == []
    other.join(5)
    assert order == [[]]
    assert (out / "record.json").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
