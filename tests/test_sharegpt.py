"""The export: one placeholder and one video per sample, and nothing of others is lost."""

import json
import os

import pytest

from groundvts.data.conversations import Conversation
from groundvts.data.sharegpt import export
from groundvts.errors import BadInput


def sample(name="m", video="clip", query="a man runs", answer="from 1.0s to 3.5s"):
    return Conversation(name, "set", video, "grounding", "When?", f"Find: {query}", query, answer)


def test_the_export_is_sharegpt_as_llama_factory_reads_it(tmp_path):
    built = {"moments": [sample(query="ü " * 3), sample("n", video="a/b")],
             "answers": [sample(answer="ja, ü")]}  # fmt: skip
    export(built, {"moments": "videos/one", "answers": tmp_path / "gone"}, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "answers.json", "dataset_info.json", "left_out.json", "moments.json"]  # fmt: skip
    info = json.loads((tmp_path / "out/dataset_info.json").read_text(encoding="utf-8"))
    assert info["moments"] == {
        "file_name": "moments.json",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "videos": "videos"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user",
                 "assistant_tag": "assistant", "system_tag": "system"},
    }  # fmt: skip
    for name, part in built.items():
        text = (tmp_path / "out" / info[name]["file_name"]).read_text(encoding="utf-8")
        assert "ü" in text
        for entry, c in zip(json.loads(text), part, strict=True):
            assert entry.keys() == {"messages", "videos"}
            assert entry["messages"] == [
                {"role": "system", "content": c.system},
                {"role": "user", "content": "<video>" + c.user},
                {"role": "assistant", "content": c.answer},
            ]
            assert json.dumps(entry).count("<video>") == len(entry["videos"]) == 1
    first, second = json.loads((tmp_path / "out/moments.json").read_text(encoding="utf-8"))
    assert (first["videos"], second["videos"]) == (
        [os.path.relpath("videos/one/clip.mp4", tmp_path / "out")],
        [os.path.relpath("videos/one/a/b.mp4", tmp_path / "out")],
    )
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir())
    export(built, {"moments": "videos/one", "answers": tmp_path / "gone"}, tmp_path / "out")
    assert before == sorted((path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir())


def test_the_export_names_the_files_that_are_there(tmp_path):
    (tmp_path / "videos/deep").mkdir(parents=True)
    (tmp_path / "videos/deep/clip.webm").touch()
    export({"part": [sample()]}, {"part": tmp_path / "videos"}, tmp_path / "out")
    [only] = json.loads((tmp_path / "out/part.json").read_text())
    assert only["videos"] == ["../videos/deep/clip.webm"]
    given, out = [sample(), sample("n", video="lost")], tmp_path / "other"
    [left_out] = export({"part": given}, {"part": tmp_path / "videos"}, out)
    assert (left_out["part"], left_out["id"]) == ("part", "n")
    assert "lost: no such video file" in left_out["reason"]
    assert json.loads((out / "left_out.json").read_text()) == [left_out]
    assert len(json.loads((out / "part.json").read_text())) == 1
    with pytest.raises(BadInput, match=r"part 'part': no conversation is left: .*lost"):
        export({"part": given[1:]}, {"part": tmp_path / "videos"}, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("name", "built", "folders", "reason"),
    [
        ("part", [sample(query="a <video> plays")], {"part": "v"}, "part: m: .*<video>"),
        ("part", [sample(query="an <image>")], {"part": "v"}, "part: m: .*<image>"),
        ("part", [sample(answer="<audio>")], {"part": "v"}, "m: the assistant"),
        ("part", [sample()], {}, "no folder of videos"),
        ("../part", [sample()], {"../part": "v"}, "a plain one"),
        ("dataset_info", [sample()], {"dataset_info": "v"}, "a plain one"),
    ],
)
def test_what_cannot_be_exported_writes_nothing(tmp_path, name, built, folders, reason):
    with pytest.raises(BadInput, match=reason):
        export({name: built}, folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("held", ['{"theirs": {}}', "{", "[[]]", "3"])
def test_a_folder_that_describes_other_data_is_left_alone(tmp_path, held):
    (tmp_path / "dataset_info.json").write_text(held)
    with pytest.raises(BadInput, match="name another folder"):
        export({"part": [sample()]}, {"part": "v"}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset_info.json"]
