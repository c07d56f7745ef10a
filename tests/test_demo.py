"""The page to try models on: what it says without a browser, and used in one."""

import http.client
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import CHROMIUM, Browser, happened
from clips import steady, write_clip
from tiny import write_base

from groundvts.demo import NOTHING, OWN, Demo, find_models
from groundvts.errors import BadInput
from groundvts.models.load import load_model, sampled_as

GRADIO = importlib.util.find_spec("gradio") is not None
WITHOUT = "no gradio here: pip install -r requirements-demo.lock"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder with a sampling module, as merging writes it."""
    base = write_base(tmp_path_factory.mktemp("demo") / "base")
    folder = base.parent / "merged" / "tiny"
    loaded = load_model(str(base), {"hidden_size": 16, "ratio": 0.5, "prune_after": 1})
    loaded.save_pretrained(folder)
    for file in base.iterdir():
        if file.suffix != ".safetensors" and file.name != "config.json":
            (folder / file.name).write_bytes(file.read_bytes())
    return str(folder)


@pytest.fixture
def video(tmp_path):
    return str(write_clip(tmp_path / "clip.mp4", steady(200)))


@pytest.fixture
def demo(model, tmp_path):
    return Demo([model], tmp_path, limit_mb=5)


def test_an_answer_has_a_picture_and_its_time(demo, model, video):
    said, picture = demo.answer(model, video, "red circle", OWN, 0.25)
    assert "of them the model" in said
    assert Path(picture).stat().st_size > 5000


def test_samplers_are_changed_for_one_answer(demo, model, video):
    for sampler in ("attention", "segment_merging", "none"):
        said, picture = demo.answer(model, video, "red circle", sampler, 0.25)
        assert picture, said
    assert demo.loaded.vts.config.sampler == demo.loaded.config.vts["sampler"] == "vts"
    assert demo.loaded.vts.config.ratio == 0.5
    assert demo.answer(model, video, "red circle", NOTHING, 0.25) == ("", None)


def test_what_is_wrong_is_said_in_a_line(demo, model, video, tmp_path):
    (tmp_path / "words.txt").write_text("no video")
    (tmp_path / "fake.mp4").write_text("no video either")
    (tmp_path / "huge.mp4").write_bytes(bytes(6_000_000))
    for file, query, why in (
        (None, "red circle", "there is no video: drop one first"),
        (video, "  ", "the query is empty"),
        (video, None, "the query is empty"),
        (video, "<|im_end|>", "no window (bad_query): "),
        (tmp_path / "words.txt", "red circle", "words.txt: is no video by its name: use one of"),
        (tmp_path / "fake.mp4", "red circle", "fake.mp4"),
        (tmp_path / "huge.mp4", "red circle", "huge.mp4: 6 MB, more than 5: cut it first"),
    ):
        said, picture = demo.answer(model, file and str(file), query, OWN, 0.25)
        assert picture is None
        assert said.startswith("**No answer.** ")
        assert why in said
        assert str(tmp_path) not in said
    assert "no model of this page" in demo.answer("/etc", video, "red circle", OWN, 0.25)[0]


def test_what_nobody_foresaw_is_one_line_too(demo, model, video, monkeypatch, capfd):
    for text, told in (
        ("DefaultCPUAllocator: can't allocate memory", "needs more memory than there is"),
        ("what is this", "RuntimeError; the terminal says where"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr("groundvts.demo.ground", lambda *_, text=text: _raise(text))
            said, picture = demo.answer(model, video, "red circle", OWN, 0.25)
        assert said.startswith("**No answer.** ")
        assert told in said
        assert picture is None
    assert "what is this" in capfd.readouterr().err


def _raise(text: str):
    raise RuntimeError(text)


def test_a_model_without_sampling_keeps_its_own(model):
    plain = load_model(str(Path(model).parents[1] / "base"))
    with pytest.raises(BadInput, match="has no sampling module"), sampled_as(plain, {"ratio": 1}):
        pass


def test_models_are_found_below_results_those_with_learned_scores_first(tmp_path):
    merged = tmp_path / "toy" / "merged"
    for name in ("all", "blind", "empty", "vts"):
        (merged / name).mkdir(parents=True)
    (merged / "all" / "config.json").write_text("{}")
    for name, sampler in (("blind", "uniform"), ("vts", "vts")):
        (merged / name / "config.json").write_text(json.dumps({"vts": {"sampler": sampler}}))
    found = [(merged / name).as_posix() for name in ("vts", "all", "blind")]
    assert find_models(tmp_path) == found


def run_demo(*words: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "groundvts.cli", "demo", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def test_without_a_model_or_gradio_one_line(tmp_path, model):
    where = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": ""}}
    done = run_demo(**where)
    assert done.wait() == 2
    assert done.stderr.read() == (
        "groundvts: results: no merged model is there: run `make`, or name a model folder\n"
    )
    if GRADIO:
        done = run_demo(model, "--port", "99999", **where)
        assert done.wait() == 2
        assert "groundvts: --port 99999: " in done.stderr.read()
    else:
        done = run_demo(model, **where)
        assert done.wait() == 2
        assert "gradio: not installed: pip install -r requirements-demo.lock" in done.stderr.read()


@pytest.fixture(scope="module")
def page(model, tmp_path_factory):
    """The address of the served page, and the folder of its temporary files."""
    folder = tmp_path_factory.mktemp("uploads")
    served = run_demo(model, "--limit-mb", "5", env=os.environ | {"TMPDIR": str(folder)})
    address = next(line for line in served.stderr if line.startswith("Open ")).split()[1]
    yield address, folder
    served.terminate()
    assert served.wait(30) == 0
    assert not list(folder.glob("groundvts-demo-*"))  # uploads are gone


ASK = """(() => { const box = document.querySelector('#query textarea, #query input');
  box.value = 'red circle'; box.dispatchEvent(new Event('input', {bubbles: true}));
  document.querySelector('#ask').click(); return true; })()"""
SAID = "(document.querySelector('#said{}')?.innerText.match(/.*(model|No answer).*/) ?? [''])[0]"
PICTURE = "document.querySelector('#picture{} img')?.naturalWidth"


@pytest.mark.slow
@pytest.mark.skipif(not GRADIO, reason=WITHOUT)
@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
def test_in_a_browser_a_video_and_a_query_give_two_answers(page, video, tmp_path):
    address, folder = page
    with Browser("127.0.0.1") as browser:
        _, session = browser.open(address, 1280, 1000)
        browser.until(session, "document.querySelector('#video input[type=file]') !== null")
        browser.choose(session, "#video input[type=file]", Path(video))
        browser.until(session, "document.querySelector('#video').innerText.includes('KB')")
        browser.run(session, ASK)
        for side in (0, 1):
            said = browser.until(session, SAID.format(side))
            assert "of them the model" in said
            assert browser.until(session, PICTURE.format(side)) > 300
        time.sleep(1)
        browser.picture(session, Path(os.environ.get("DEMO_SHOT", tmp_path / "demo.png")))
        assert not happened(browser.events, address)
        assert list(folder.glob("groundvts-demo-*/**/clip*.mp4"))


@pytest.mark.slow
@pytest.mark.skipif(not GRADIO, reason=WITHOUT)
@pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("fake.mp4", 500 * b"no video", "No answer. fake.mp4: "),
        ("huge.mp4", bytes(6_000_000), "exceed the maximum allowed size of 5.0 Mb"),
        ("words.txt", b"no video", "Invalid file type: words.txt. Only .avi"),
    ],
)
def test_in_a_browser_a_bad_upload_is_told(page, tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with Browser("127.0.0.1") as browser:
        _, session = browser.open(page[0], 1280, 1000)
        browser.until(session, "document.querySelector('#video input[type=file]') !== null")
        browser.choose(session, "#video input[type=file]", tmp_path / name)
        if name == "fake.mp4":  # only reading it tells
            browser.until(session, "document.querySelector('#video').innerText.includes('KB')")
            browser.run(session, ASK)
        browser.until(session, f"document.body.innerText.includes({told!r})")


def ask(address: str, path: str, body: bytes | None = None, **headers: str):
    """Status and content of a request to the page."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    named = {"Content-Type": "multipart/form-data; boundary=x"} if body is not None else {}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", path, body, named)
    answer = connection.getresponse()
    return answer.status, answer.read()


def upload(address: str, name: str, content: bytes, **headers: str):
    """Status and content where a file is uploaded."""
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return ask(address, "/gradio_api/upload", head.encode() + content + b"\r\n--x--\r\n", **headers)


@pytest.mark.slow
@pytest.mark.skipif(not GRADIO, reason=WITHOUT)
def test_only_the_page_itself_is_answered_and_its_pictures_alone_are_given_out(page, video):
    address, folder = page
    host = urlsplit(address).netloc
    port = host.split(":")[1]
    good = ({}, {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"})
    for headers in good:
        assert ask(address, "/config", **headers)[0] == 200
        assert upload(address, "clip.mp4", Path(video).read_bytes(), **headers)[0] == 200
    before = list(folder.rglob("*.*"))
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{port}"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost.evil.example:{port}"},
        {"Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert ask(address, "/config", **headers)[0] in (400, 403), headers
        assert upload(address, "other.mp4", b"x", **headers)[0] in (400, 403), headers
        assert ask(address, "/gradio_api/queue/join", b"{}", **headers)[0] in (400, 403), headers
    assert list(folder.rglob("*.*")) == before
    for name in ("x.html", "x.svg", "x.xml", "x.mp4", "x.png"):
        status, said = upload(address, name, b"<script>document.title = 1</script>")
        assert status == 200
        for form in ("file=", "file/"):
            status, given = ask(address, f"/gradio_api/{form}{json.loads(said)[0]}")
            assert status == 403, name
            assert b"<script" not in given


@pytest.mark.slow
@pytest.mark.skipif(not GRADIO, reason=WITHOUT)
def test_uploads_have_a_limit_together(page):
    address, folder = page
    status, said = ask(address, "/gradio_api/upload", bytes(21 * 2**20))
    assert (status, said[:26]) == (403, b"uploads: too much at once:")
    for number in range(12):
        assert upload(address, f"{number}.mp4", bytes([number]) * 4_900_000)[0] == 200
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= 4 * 5 * 2**20
    assert any(path.name == "11.mp4" for path in files)
    assert not any(path.name == "0.mp4" for path in files)
