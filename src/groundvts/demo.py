"""A page on this machine to try models on a video of one's own.

One drops a video, types a query, picks a model and two ways to sample, and sees both answers on the
video's timeline, the kept tokens over its frames, and the time it took. Nothing leaves the machine:
the page is bound to loopback, and uploads lie in a temporary folder that goes when it ends.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from groundvts.data.folder import SUFFIXES
from groundvts.errors import BadInput, RunFailed, VideoReadError
from groundvts.escape import log, markdown
from groundvts.inference.ground import ground
from groundvts.models.folder import model_settings
from groundvts.models.load import load_model, sampled_as
from groundvts.models.samplers import SAMPLERS, SCORED

OWN, NOTHING = "the model's own", "nothing"
HOST = "127.0.0.1"
UPLOADS = 4  # of the greatest size that may lie there
MEMORY = "The model needs more memory than there is: keep fewer tokens"
TOLD = (
    "Videos and queries stay on this machine; uploads are deleted when the page ends. Right: the "
    "same video and query with another way to sample."
)


class Gate:
    """Lets through what the page itself asks (ASGI); uploads may be `most` bytes in all."""

    def __init__(self, app, folder: Path, most: float) -> None:
        self.app, self.folder, self.most, self.coming = app, folder, most, 0

    async def __call__(self, scope, receive, send) -> None:
        from starlette.datastructures import Headers
        from starlette.responses import PlainTextResponse

        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        size = int(headers.get("content-length", 0))
        if why := self.refusal(scope["path"], headers, self.coming + size):
            return await PlainTextResponse(why, 403)(scope, receive, send)
        self.coming += size
        try:
            await self.app(scope, receive, send)
        finally:
            self.coming -= size

    def refusal(self, path: str, headers, coming: float) -> str | None:
        """Why a request is refused; otherwise there is room for the bytes that are coming."""
        host, site = headers.get("host", ""), headers.get("sec-fetch-site", "none")
        ours = host.partition(":")[0] in (HOST, "localhost")
        ours = ours and headers.get("origin", f"//{host}").partition("//")[2] == host
        if not ours or (site not in ("none", "same-origin") and path != "/"):
            return "another page: only the demo's own may ask"
        file = self.folder / Path(path).name
        if path.startswith("/gradio_api/file") and not (file.suffix == ".png" and file.is_file()):
            return "no picture of an answer: other files are not given out"
        if coming > self.most or "transfer-encoding" in headers:
            return "uploads: too much at once: cut the video, or wait for the others"
        if "multipart" in headers.get("content-type", "").lower():
            files = [file for file in self.folder.rglob("*") if file.is_file()]
            files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
            while files and sum(file.stat().st_size for file in files) + coming > self.most:
                files.pop().unlink(missing_ok=True)
        return None


class Demo:
    """Answers of model folders; the one asked last stays loaded."""

    def __init__(self, models: list[str], folder: Path, limit_mb: float) -> None:
        self.models, self.folder, self.limit_mb = models, folder, limit_mb
        self.loaded = None

    def answer(
        self, model: str, video: str | None, query: str, sampler: str, ratio: float
    ) -> tuple[str, str | None]:
        """What is said, and the picture's file; where there is no answer, why in one line."""
        if sampler == NOTHING:
            return "", None
        try:
            if video is None:
                raise BadInput("there is no video: drop one first")
            self._check(Path(video))
            self._load(model)
            started = time.perf_counter()
            found, note = self._ask(model, video, query or "", sampler, ratio)
            if found.kept is None:
                raise BadInput(found.line)
            picture = found.draw(self.folder / f"answer-{time.monotonic_ns()}")
        except (BadInput, RunFailed, VideoReadError, OSError, MemoryError) as error:
            return f"**No answer.** {markdown(_by_name(str(error), video))}", None
        except Exception as error:
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                return f"**No answer.** {MEMORY}", None
            for line in "".join(traceback.format_exception(error)).splitlines():
                log(line)
            return f"**No answer.** {type(error).__name__}; the terminal says where", None
        seconds, answering = time.perf_counter() - started, found.prediction["seconds"]
        said = f"in {seconds:.1f} s ({answering:.2f} s of them the model){note}"
        return f"**{markdown(found.line)}** {said}", str(picture)

    def _load(self, folder: str) -> None:
        if folder not in self.models:
            raise BadInput(f"{folder}: no model of this page: choose one of its list")
        if self.loaded is None or self.loaded.name_or_path != folder:
            self.loaded = None  # so that two are never there at once
            self.loaded = load_model(folder)

    def _ask(self, folder: str, video: str, query: str, sampler: str, ratio: float):
        own, vts = own_sampling(folder), self.loaded.vts
        named = own.get("sampler") if sampler == OWN else sampler
        keeps_all = named in (None, "none")
        changes = {"sampler": named, "ratio": 1.0 if keeps_all else ratio} if named else {}
        note = ""
        if sampler != OWN and sampler in SCORED and vts is not None and not vts.projects:
            changes["scorer"], note = "cosine", "; by cosine, as this model trained no scorer"
        with sampled_as(self.loaded, changes):
            return ground(self.loaded, video, query), note

    def _check(self, video: Path) -> None:
        """Raises BadInput where a file is too large, or by its name no video."""
        if video.suffix.lower() not in SUFFIXES:
            known = ", ".join(sorted(SUFFIXES))
            raise BadInput(f"{video.name}: is no video by its name: use one of {known}")
        size = video.stat().st_size / 1e6
        if size > self.limit_mb:
            raise BadInput(f"{video.name}: {size:.0f} MB, more than {self.limit_mb:g}: cut it "
                           "first, or start the page with --limit-mb")  # fmt: skip


def _by_name(text: str, video: str | None) -> str:
    """A message with the video's name instead of where its upload lies, which says nothing."""
    return text.replace(str(video), Path(video).name) if video else text


def find_models(results: Path = Path("results")) -> list[str]:
    """Merged model folders below `results`, those that choose by learned scores first."""
    found = [path.parent.as_posix() for path in results.glob("*/merged/*/config.json")]
    scored = {name: SCORED.get(own_sampling(name).get("sampler")) for name in found}
    return sorted(found, key=lambda name: (scored[name] != "learned", name))


def own_sampling(model: str) -> dict:
    """How a model folder samples by itself; nothing where it does not."""
    return model_settings(model).get("vts") or {}


def build_page(demo: Demo):
    """The page as Gradio blocks."""
    import gradio as gr

    kinds = [name for name in SAMPLERS if name != "none"]
    share = own_sampling(demo.models[0]).get("ratio", 1.0)
    with gr.Blocks(title="GroundVTS: when does it happen?", analytics_enabled=False) as page:
        gr.Markdown(f"# When does it happen?\n{TOLD}")
        with gr.Row():
            video = gr.File(label="Video", file_types=sorted(SUFFIXES), elem_id="video")
            with gr.Column():
                query = gr.Textbox(label="Query", placeholder="red circle", elem_id="query")
                model = gr.Dropdown(demo.models, value=demo.models[0], label="Model",
                                    elem_id="model")  # fmt: skip
                ask = gr.Button("Find it", variant="primary", elem_id="ask")
        sides = []
        with gr.Row():
            for number, first in enumerate((OWN, "uniform")):
                choices = [OWN, *kinds, "none", *([NOTHING] if number else [])]
                with gr.Column(elem_id=f"side{number}"):
                    sampler = gr.Dropdown(choices, value=first, label="Sampler")
                    ratio = gr.Slider(0.05, 1.0, share, step=0.05, label="Share of tokens kept")
                    said = gr.Markdown(elem_id=f"said{number}", latex_delimiters=[])
                    picture = gr.Image(show_label=False, type="filepath", format="png",
                                       buttons=["download", "fullscreen"],
                                       elem_id=f"picture{number}")  # fmt: skip
                    sides.append((sampler, ratio, said, picture))

        def answers(video, query, model, *choices):
            pairs = zip(choices[::2], choices[1::2], strict=True)
            return [part for pair in pairs for part in demo.answer(model, video, query, *pair)]

        ratios = [ratio for _, ratio, _, _ in sides]
        model.change(lambda name: [own_sampling(name).get("ratio", 1.0)] * 2, model, ratios)
        asked = [video, query, model, *(part for side in sides for part in side[:2])]
        shown = [part for side in sides for part in side[2:]]
        for started in (ask.click, query.submit):
            started(answers, asked, shown, concurrency_limit=1, concurrency_id="model")
    return page


@contextmanager
def serving(models: list[str], port: int | None, limit_mb: float) -> Iterator[str]:
    """Serves the page as long as the block lasts; gives its address.

    Raises BadInput without Gradio, without a model, or where the port is taken.
    """
    models = models or find_models()
    if not models:
        raise BadInput("results: no merged model is there: run `make`, or name a model folder")
    with tempfile.TemporaryDirectory(prefix="groundvts-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        for name in ("no_proxy", "NO_PROXY"):  # the page asks itself whether it is there
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), HOST)))
        try:
            import gradio as gr
            from starlette.middleware import Middleware
        except ImportError:
            raise BadInput("gradio: not installed: pip install -r requirements-demo.lock") from None
        demo = Demo(models, Path(folder), limit_mb)
        page = build_page(demo)
        gates = [Middleware(Gate, demo.folder, UPLOADS * limit_mb * 2**20)]
        plain = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
        try:
            _, address, _ = page.launch(
                server_name=HOST,
                server_port=port,
                max_file_size=int(limit_mb * 2**20),
                app_kwargs={"middleware": gates},
                theme=plain,
                share=False,
                quiet=True,
                footer_links=[],
                prevent_thread_lock=True,
            )
        except (OSError, OverflowError) as error:
            raise BadInput(f"--port {port}: {error}: name another, or none") from None
        try:
            yield address
        finally:
            page.close(verbose=False)


def serve(models: list[str], port: int | None, limit_mb: float) -> None:
    """Serves the page until it is interrupted, ended, or its terminal closes."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:  # as under nohup
            signal.signal(ending, signal.default_int_handler)
    with serving(models, port, limit_mb) as address:
        log(f"Open {address} (ctrl-C ends it)")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return
