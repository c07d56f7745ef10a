"""Ask a model when something happens in one video."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from groundvts import records
from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder
from groundvts.data.isolated import run_isolated
from groundvts.data.moment import Moment
from groundvts.data.video import Frames, FrameSampling, read_frames
from groundvts.errors import BadInput, VideoReadError
from groundvts.inference.answer import Grounding
from groundvts.inference.predict import predict
from groundvts.models.folder import model_settings, reading
from groundvts.models.load import load_model
from groundvts.models.shards import read_json
from groundvts.models.vts_config import VTSConfig
from groundvts.prompts import Prompts

MAX_NEW_TOKENS = {"grounding": 64}
TIMEOUT_S = 60  # for reading the video


class OneVideo:
    """The frames of one video, where inference expects a cache."""

    def __init__(self, name: str, frames: Frames) -> None:
        self.videos = {name: {"duration": frames.duration}}
        self.failed: dict[str, str] = {}
        self.frames = frames

    def __getitem__(self, name: str) -> Frames:
        return self.frames


def manifest(model: str) -> dict:
    """How a model folder reads videos and prompts; frames None: as its backbone does."""
    path, defaults = Path(model) / "groundvts.json", {"frames": None, "protocol": "fixed"}
    if not path.is_file():  # a base, or what others have made
        made = path.with_name("record.json")
        if made.is_file() and records.read_record(made).get("verb") == "merge":
            raise BadInput(f"{path}: is not there: it holds the prompts and frames of this merged "
                           "model, without which it answers otherwise: merge it again")  # fmt: skip
        note = "no groundvts.json there: asked with default prompts and frames"
        return defaults | {"prompts": Prompts.load().templates, "note": note}
    with reading(model, path.name):
        known = read_json(path)
        _ = Prompts(known["prompts"], path), known["prompts"]["grounding"]
        if known["frames"] is not None:
            FrameSampling.read(known["frames"])
        return {key: known[key] for key in ("prompts", *defaults)}


def ground(
    model,
    video: str | Path,
    query: str,
    out: str | Path | None = None,
    sampler: str | None = None,
    ratio: float | None = None,
) -> Grounding:
    """Finds `query` in `video` with a model folder, a hub id, or what `load_model` gave.

    `sampler` and `ratio` change the model's own settings; the sampler `none` keeps all. With `out`,
    writes record `<video>.json` and pictures `<video>.png` and `.pdf` there, with the
    file's hash in the names where another video's lie under these. Of a loaded model the record
    has the name, but no hash. Raises VideoReadError where the video cannot be read, BadInput where
    the query is empty or the model cannot sample so.

    >>> from groundvts import ground
    >>> video = "results/toy/benchmark/videos/test0000.mp4"
    >>> answer = ground("results/toy/merged/vts-0.25-s0", video, "red circle")
    >>> windows, kept = answer.windows, answer.kept
    """
    if not query.strip():
        raise BadInput("the query is empty: say what to look for")
    given = not isinstance(model, str | Path)
    folder, video = str(model.name_or_path if given else model), str(video)
    if re.search("[\ud800-\udfff]", query + video):
        raise BadInput(f"{video}: query or name hold bytes that are no UTF-8: rename, or type anew")
    known = manifest(folder)
    vts = _loaded_sampling(model, sampler, ratio) if given else _sampling(folder, sampler, ratio)
    encoder = Encoder(folder)
    sampling = FrameSampling.read(encoder.frames if known["frames"] is None else known["frames"])
    name = Path(video).stem
    frames = _read(Path(video), sampling)
    hashed = {"model": folder} if Path(folder).exists() and not given else {}
    inputs, settings = {**hashed, "video": video}, {"frames": asdict(sampling), "vts": vts}
    with records.recording("ground", settings, inputs, known["protocol"]) as made:
        source = PixelSource(OneVideo(name, frames), encoder)
        moment = Moment(name, "ground", "", name, frames.duration, query, (), 1)
        prompts = Prompts(known["prompts"], Path(folder) / "groundvts.json")
        loaded = model if given else load_model(folder, vts)
        [found] = predict(loaded, encoder, source, [moment], prompts, 1, MAX_NEW_TOKENS)
        made |= {"model": folder, "prediction": found, "frames": _facts(frames, encoder)}
        made |= {"note": known["note"]} if "note" in known else {}
    answer = Grounding(made, frames)
    if out is not None:
        write(answer, out)
    return answer


def _facts(frames: Frames, encoder: Encoder) -> dict:
    """What the record says of the frames."""
    return {
        "timestamps": frames.timestamps,
        "per_step": encoder.temporal_patch_size,
        "duration": frames.duration,
        "reader": frames.reader,
        "note": frames.note,
    }


def write(answer: Grounding, out: str | Path) -> None:
    """Writes record and pictures; not over those of another video, or another's file."""
    out, about = Path(out), answer.record["inputs"]["video"]
    name, video = Path(about["path"]).stem, about["sha256"]
    there = any((out / f"{name}.{kind}").exists() for kind in ("json", "png", "pdf"))
    if there and _video(out / f"{name}.json") != video:
        name = f"{name}-{video[:12]}"
    try:
        records.write_json(out / f"{name}.json", answer.record)
        if answer.kept is not None:
            answer.draw(out / name)
    except OSError as error:
        error.filename = error.filename or str(out / name)
        raise


def _video(file: Path) -> str | None:
    """The hash of the video that a record is about; None where the file is none of ours."""
    try:
        return records.read_record(file)["inputs"]["video"]["sha256"]
    except (BadInput, LookupError, TypeError):
        return None


def _sampling(model: str, sampler: str | None, ratio: float | None) -> dict | None:
    """The model's sampling settings with what is asked for; None where it has no such module."""
    asked = {"sampler": sampler, "ratio": 1.0 if sampler == "none" and ratio is None else ratio}
    asked = {key: value for key, value in asked.items() if value is not None}
    own = model_settings(model).get("vts")
    if own is not None:
        return VTSConfig.from_dict({**own, **asked}).to_dict()
    if asked:
        raise BadInput(f"{model}: has no sampling module: leave out --sampler and --ratio, or name "
                       "a model trained with one")  # fmt: skip
    return None


def _loaded_sampling(model, sampler: str | None, ratio: float | None) -> dict | None:
    """The sampling settings of a loaded model, which stay as they are."""
    if sampler is not None or ratio is not None:
        raise BadInput(f"{model.name_or_path}: is loaded already: name sampler and ratio in "
                       "load_model(model, {'ratio': 0.5})")  # fmt: skip
    return model.config.vts and VTSConfig.from_dict(model.config.vts).to_dict()


def _read(video: Path, sampling: FrameSampling) -> Frames:
    """Reads in a process of its own: a video that hangs or kills its reader is one error."""
    [outcome] = run_isolated(read_frames, {video.stem: (video, sampling)}, 1, TIMEOUT_S)
    if outcome.reason is not None:
        reason = outcome.reason
        raise VideoReadError(reason if str(video) in reason else f"{video}: {reason}")
    return outcome.value
