"""Ask a model when something happens in one video: a window, and a picture of what it looked at."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from groundvts import records
from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder, model_settings
from groundvts.data.isolated import run_isolated
from groundvts.data.moment import Moment
from groundvts.data.video import Frames, FrameSampling, read_frames
from groundvts.errors import BadInput, VideoReadError
from groundvts.inference.predict import predict
from groundvts.models.load import load_model
from groundvts.models.samplers import SCORED
from groundvts.models.vts_config import VTSConfig
from groundvts.prompts import Prompts

MAX_NEW_TOKENS = {"grounding": 64}
TIMEOUT_S = 60  # for reading the video


@dataclass(frozen=True)
class Grounding:
    """One answer: the prediction as inference writes it, and the frames it was made from."""

    prediction: dict
    frames: Frames

    @property
    def line(self) -> str:
        """The answer in one line, times in seconds."""
        windows = self.prediction["windows"]
        if windows:
            return ", ".join(f"{start:.1f} s to {end:.1f} s" for start, end in windows)
        reason, answer = self.prediction["failure"], self.prediction["answer"]
        why = self.prediction["detail"] if answer is None else f"the model answered {answer!r}"
        return f"no window ({reason}): {why}"


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
    path = Path(model) / "groundvts.json"
    if not path.is_file():
        return {"frames": None, "prompts": Prompts.load().templates, "protocol": "fixed"}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path}: not valid JSON: {error}: merge the model again") from None


def ground(
    model: str,
    video: str,
    query: str,
    out: str | None = None,
    sampler: str | None = None,
    ratio: float | None = None,
) -> Grounding:
    """Finds `query` in `video` with a model folder or hub id.

    `sampler` and `ratio` change the model's own settings; the sampler `none` keeps all. With `out`,
    writes record `<video>.json` and pictures `<video>.png` and `.pdf` there, with the
    file's hash in the names where another video's lie under these. Raises VideoReadError where the
    video cannot be read, BadInput where the query is empty or the model cannot sample so.
    """
    if not query.strip():
        raise BadInput("the query is empty: say what to look for")
    known = manifest(model)
    vts = _sampling(model, sampler, ratio)
    encoder = Encoder(model)
    sampling = FrameSampling.read(encoder.frames if known["frames"] is None else known["frames"])
    name = Path(video).stem
    frames = _read(Path(video), sampling)
    inputs = {"model": model, "video": video} if Path(model).exists() else {"video": video}
    settings = {"frames": asdict(sampling), "vts": vts and vts.to_dict()}
    with records.recording("ground", settings, inputs, known["protocol"]) as record:
        source = PixelSource(OneVideo(name, frames), encoder)
        moment = Moment(name, "ground", "", name, frames.duration, query, (), 1)
        prompts = Prompts(known["prompts"], Path(model) / "groundvts.json")
        loaded = load_model(model, settings["vts"])
        [prediction] = predict(loaded, encoder, source, [moment], prompts, 1, MAX_NEW_TOKENS)
        record["model"], record["prediction"] = model, prediction
        record["frames"] = _facts(frames, encoder)
    answer = Grounding(prediction, frames)
    if out is not None:
        _write(record, answer, Path(out), name)
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


def _write(record: dict, answer: Grounding, out: Path, name: str) -> None:
    """Writes record and pictures as `name`; not over those of another video, or another's file."""
    video = record["inputs"]["video"]["sha256"]
    if (out / f"{name}.json").exists() and _video(out / f"{name}.json") != video:
        name = f"{name}-{video[:12]}"
    records.write_json(out / f"{name}.json", record)
    if "grid" in answer.prediction:
        draw(record, answer, out / name)


def _video(file: Path) -> str | None:
    """The hash of the video that a record is about; None where the file is none of ours."""
    try:
        return records.read_record(file)["inputs"]["video"]["sha256"]
    except (BadInput, LookupError, TypeError):
        return None


def _sampling(model: str, sampler: str | None, ratio: float | None) -> VTSConfig | None:
    """The model's sampling settings with what is asked for; None where it has no such module."""
    asked = {"sampler": sampler, "ratio": 1.0 if sampler == "none" and ratio is None else ratio}
    asked = {key: value for key, value in asked.items() if value is not None}
    own = model_settings(model).get("vts")
    if own is not None:
        return VTSConfig.from_dict({**own, **asked})
    if asked:
        raise BadInput(f"{model}: has no sampling module: leave out --sampler and --ratio, or name "
                       "a model trained with one")  # fmt: skip
    return None


def _read(video: Path, sampling: FrameSampling) -> Frames:
    """Reads in a process of its own: a video that hangs or kills its reader is one error."""
    [outcome] = run_isolated(read_frames, {video.stem: (video, sampling)}, 1, TIMEOUT_S)
    if outcome.reason is not None:
        reason = outcome.reason
        raise VideoReadError(reason if str(video) in reason else f"{video}: {reason}")
    return outcome.value


def draw(record: dict, answer: Grounding, stem: Path) -> None:
    """Draws the video's timeline with kept tokens and the answered windows to `stem`.png, .pdf.

    All but the pixels is from the record.
    """
    from groundvts.report.timeline import Timeline, draw_timelines

    found, frames = record["prediction"], record["frames"]
    windows = tuple(map(tuple, found["windows"]))
    every = slice(None, None, frames["per_step"])
    drawn = Timeline(
        heading=f"“{found['query']}”: {answer.line if windows else 'no window'}",
        pixels=answer.frames.pixels[every],
        grid=tuple(found["grid"]),
        second_per_grid=found["second_per_grid"],
        kept=found["kept"],
        scores=found.get("scores"),
        predicted=windows,
        times=tuple(frames["timestamps"][every]),
        duration=frames["duration"],
        failure=answer.line,
        note=_note(record),
    )
    draw_timelines([drawn], stem)


def _note(record: dict) -> str:
    """Which video and model, and what the model read of it, in one sentence each."""
    found, vts = record["prediction"], record["settings"]["vts"]
    kept, every = len(found["kept"]), math.prod(found["grid"])
    how = f"all {every} tokens read" if kept == every else f"{kept} of {every} tokens read"
    if vts is None:
        how = f"no sampling, {how}"
    else:
        hidden = ", the others masked" if vts["drop"] == "masked" and kept < every else ""
        how = f"sampler {vts['sampler']}, ratio {vts['ratio']:g}, {how}{hidden}"
        if "scores" in found and vts["sampler"] not in SCORED:
            how += "; the scores weight tokens and did not choose them"
    video = Path(record["inputs"]["video"]["path"]).name
    frames = record["frames"]
    length = ", ".join(filter(None, [f"{frames['duration']:.1f} s", frames["note"]]))
    return f"{video}, {length}. {record['model'].rstrip('/').split('/')[-1]}: {how}."
