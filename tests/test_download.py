"""Downloads against a server on localhost: whole and checked, resumed, or one clear line."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from servers import HubSite, PlainSite, serving
from test_cli import groundvts

from groundvts.data import download as module
from groundvts.data.download import Source, download
from groundvts.data.hub import download_model
from groundvts.errors import BadInput, RunFailed

CONTENT = os.urandom(3_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site():
    with serving(PlainSite()) as served:
        served.files["/data/a.bin"] = CONTENT
        yield served


def fetch(site, out: Path, path: str = "/data/a.bin", **known) -> dict:
    return download(Source(site.url + path, **known), out, timeout_s=1, pause_s=0)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_good_file_arrives_whole_with_its_checksum(site, tmp_path):
    made = fetch(site, tmp_path / "deep" / "a.bin", sha256=SHA, bytes=len(CONTENT))
    assert (tmp_path / "deep" / "a.bin").read_bytes() == CONTENT
    assert (made["sha256"], made["bytes"], made["resumed"]) == (SHA, len(CONTENT), 0)
    assert left(tmp_path / "deep") == ["a.bin"]


def test_what_is_unknown_is_recorded(site, tmp_path):
    made = fetch(site, tmp_path / "a.bin")
    assert (made["sha256"], made["bytes"]) == (SHA, len(CONTENT))


@pytest.mark.parametrize(
    ("known", "said"),
    [({"sha256": "0" * 64}, f"sha256 {SHA}, expected {'0' * 64}"), ({"bytes": 7}, "expected 7")],
)
def test_another_file_than_the_published_is_refused(site, tmp_path, known, said):
    with pytest.raises(BadInput, match=said):
        fetch(site, tmp_path / "a.bin", **known)
    assert left(tmp_path) == []


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_the_server_does_not_have_is_not_asked_for_again(site, tmp_path, status):
    site.statuses["/data/a.bin"] = [status] * 9
    with pytest.raises(BadInput, match=f"HTTP {status} .*correct its URL"):
        fetch(site, tmp_path / "a.bin")
    assert len(site.asked) == 1


def test_a_passing_fault_is_tried_again(site, tmp_path):
    site.statuses["/data/a.bin"] = [503, 429]
    assert fetch(site, tmp_path / "a.bin", sha256=SHA)["bytes"] == len(CONTENT)
    assert len(site.asked) == 3


def test_a_lasting_fault_ends(site, tmp_path):
    site.statuses["/data/a.bin"] = [500] * 99
    with pytest.raises(RunFailed, match=r"HTTP 500 .*tried 5 times"):
        fetch(site, tmp_path / "a.bin")
    assert len(site.asked) == module.TRIES


def test_a_server_that_stalls_is_left(site, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TRIES", 2)
    site.stalls["/data/a.bin"] = 1000
    source = Source(f"{site.url}/data/a.bin")
    with pytest.raises(RunFailed, match=r"no answer for 0\.3 s: tried 2 times"):
        download(source, tmp_path / "a.bin", timeout_s=0.3, pause_s=0)
    assert not (tmp_path / "a.bin").exists()


def test_nobody_there(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TRIES", 2)
    with pytest.raises(RunFailed, match="cannot be reached"):
        download(Source("http://127.0.0.1:9/a"), tmp_path / "a", timeout_s=1, pause_s=0)


def test_a_member_of_a_zip(site, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.txt", "hello\n")
    site.files["/data/z.zip"] = packed.getvalue()
    fetch(site, tmp_path / "a.txt", "/data/z.zip", member="in/a.txt", bytes=6)
    assert (tmp_path / "a.txt").read_text() == "hello\n"
    assert left(tmp_path) == ["a.txt"]
    with pytest.raises(BadInput, match="holds no in/b"):
        fetch(site, tmp_path / "b.txt", "/data/z.zip", member="in/b.txt")
    with pytest.raises(BadInput, match="cannot be unpacked"):
        fetch(site, tmp_path / "c.txt", member="in/a.txt")


def test_a_mirror_of_the_hub_takes_its_place(site, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", site.url + "/")
    made = download(Source("https://huggingface.co/data/a.bin"), tmp_path / "a", 1, 0)
    assert made["url"] == f"{site.url}/data/a.bin"


def test_the_verb_leaves_a_record_and_names_what_is_wrong(site, tmp_path, capsys):
    source = json.dumps({"url": f"{site.url}/data/a.bin", "sha256": SHA})
    status, out, _ = groundvts(capsys, "download", "--source", source, "--out", tmp_path / "a.bin")
    assert status == 0
    assert "3,000,000 bytes" in out
    record = json.loads((tmp_path / "a.bin.record.json").read_text())
    assert record["made"]["sha256"] == SHA
    for wrong, said in (('{"url": "x", "size": 3}', "size"), ("{}", "lacks 'url'")):
        status, _, err = groundvts(capsys, "download", "--source", wrong, "--out", tmp_path / "b")
        assert (status, len(err.splitlines())) == (2, 1)
        assert said in err


# The hub --------------------------------------------------------------------------------------
FILES = {
    "config.json": b'{"model_type": "x"}',
    "model.safetensors": os.urandom(200_000),
    "code.py": b"print()",
    "pytorch_model.bin": b"pickle",
    "Q/config.json": b"{}",
    "Q/model.safetensors": os.urandom(1000),
}


@pytest.fixture
def hub():
    with serving(HubSite("org/model", FILES)) as served:
        yield served


def model(hub, out: Path, revision: str = "main", folder: str | None = None, name="org/model"):
    return download_model(name, revision, out, folder, endpoint=hub.url, pause_s=0)


def test_a_model_arrives_without_code_and_pickles(hub, tmp_path):
    made = model(hub, tmp_path / "m")
    assert left(tmp_path / "m") == ["config.json", "model.safetensors"]
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert made["revision"] == "c" * 40
    sha = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert made["files"]["model.safetensors"] == {"bytes": 200_000, "sha256": sha}
    assert left(tmp_path) == ["m"]


def test_a_folder_of_a_repository(hub, tmp_path):
    model(hub, tmp_path / "m", folder="Q")
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == FILES["Q/model.safetensors"]
    assert left(tmp_path) == ["m"]


def test_a_folder_that_no_download_made_is_not_replaced(hub, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("x")
    with pytest.raises(BadInput, match="not ours to replace"):
        model(hub, tmp_path / "m")
    assert left(tmp_path) == ["m"]
    (tmp_path / "m.record.json").write_text("{}")
    model(hub, tmp_path / "m")
    assert left(tmp_path / "m") == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"folder": "I"}, "folder I holds no safetensors; its folders are Q"),
        ({"name": "org/other"}, "no such model"),
        ({"revision": "v9"}, "no such revision"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(hub, tmp_path, wanted, said):
    with pytest.raises(BadInput, match=said):
        model(hub, tmp_path / "m", **wanted)
    assert not (tmp_path / "m").exists()


def test_a_file_that_is_not_what_the_hub_announced(hub, tmp_path):
    hub.files[f"/org/model/resolve/{'c' * 40}/model.safetensors"] = os.urandom(200_000)
    with pytest.raises(RunFailed, match=r"model\.safetensors is not what the hub announced"):
        model(hub, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_hub_that_is_down(hub, tmp_path):
    hub.statuses[f"/api/models/org/model/revision/{'main'}"] = [500] * 50
    with pytest.raises(RunFailed, match="the hub's files do not come"):
        model(hub, tmp_path / "m")


def test_a_hub_that_is_not_there(tmp_path):
    with pytest.raises(RunFailed, match="the hub's files do not come") as found:
        download_model(
            "org/model", "main", tmp_path / "m", endpoint="http://127.0.0.1:9", pause_s=0
        )
    assert len(str(found.value).splitlines()) == 1
