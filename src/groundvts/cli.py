"""The `groundvts` command: one verb for each step of the reproduction, usable without Snakemake.

Exit status 0: done; 1: a run failed; 2: an input is wrong. Errors are one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator

from groundvts.data.files import keep, protect
from groundvts.errors import BadInput, RunFailed
from groundvts.escape import log
from groundvts.options import OneLineParser, count, seconds, text
from groundvts.verbs import (
    checkpoints,
    data,
    download,
    models,
    preflight,
    protocols,
    results,
    shards,
    toy,
)

WRONG_PATHS = (FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError,
               PermissionError)  # fmt: skip
# What of the options without a type is no path, or an output; all others are inputs.
WORDS = {"dataset", "name", "query", "run", "sampler", "shard", "split", "stage"}
OUTPUTS = {"cache", "checkpoints", "html", "journal", "out", "readme", "records"}


def main(arguments: list[str] | None = None) -> None:
    """Runs one verb and exits with its status."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", module="transformers|peft|torch")
    warnings.filterwarnings("ignore", "Glyph .* missing")  # a script that a figure's font lacks
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # signs that the terminal lacks
    options = _parser().parse_args(arguments)
    try:
        protect(*_paths(options, options.inputs), only=True)
        for path in _paths(options, OUTPUTS & vars(options).keys()):
            keep(path)
        options.verb(options)
    except (BadInput, RunFailed, OSError) as error:
        if options.debug:
            raise
        log(f"groundvts: {_line(error)}")
        sys.exit(2 if isinstance(error, (BadInput, *WRONG_PATHS)) else 1)
    except Exception as error:
        if options.debug:
            raise
        log(f"groundvts: {type(error).__name__}: {error}: --debug shows where")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        protect(only=True)


def _paths(options: argparse.Namespace, names: Iterable[str]) -> Iterator[str]:
    """The paths that options name; several may be joined by `=`."""
    for value in filter(None, (vars(options)[name] for name in names)):
        for one in [value] if isinstance(value, str) else value:
            yield from {one, *one.split("=")}


def _line(error: Exception) -> str:
    """An error in one line; of the operating system's, the file and the reason."""
    text = str(error)
    if isinstance(error, OSError) and error.filename:
        text = f"{error.filename2 or error.filename}: {error.strerror}; name another path"
    return " ".join(text.split())


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="groundvts", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, function: Callable, help: str) -> Callable:
        """Adds a verb; returns what adds its options, which are required unless said otherwise."""
        command = commands.add_parser(name, help=help, description=function.__doc__)
        command.set_defaults(verb=function, inputs=[])

        def add(*names: str, **options) -> Callable:
            for one in names:
                extra = {"required": True} if one.startswith("--") else {"metavar": one.upper()}
                typed = {} if options.get("action") else {"type": text}
                place = command.add_argument(one, **{**typed, **extra, **options}).dest
                if not {"type", "choices", "action", place} & {*options, *OUTPUTS, *WORDS}:
                    command.get_default("inputs").append(place)
            return add

        return add

    _preparing_verbs(verb)
    _data_verbs(verb)
    _model_verbs(verb)
    _checkpoint_verbs(verb)
    _result_verbs(verb)
    return parser


def _preparing_verbs(verb: Callable) -> None:
    add = verb("download", download.download, "a published file, or a model of the hub")
    add("--source", help="JSON: url, member, sha256, bytes; or hub, revision, folder")("--out")
    add("--timeout", type=seconds, default=60, required=False, help="seconds of silence")
    add = verb("preflight", preflight.preflight, "all that is wrong before hours are spent")
    add("--config", help="the configuration, as one of results/SCALE/configurations")("--out")
    add("--moments", nargs="+", metavar="BENCHMARK/SPLIT=MOMENTS")
    add("--workers", type=count, required=False)


def _data_verbs(verb: Callable) -> None:
    add = verb("convert", data.convert, "a published annotation file to moments.jsonl")
    add("dataset")("--split", "--out")
    add("--annotations", nargs="+", help="published file, or several read one after the other")
    add("--durations", required=False, help="the Charades CSV, or JSON of seconds by video")
    add("--spans", required=False, help="NExT-GQA's JSON of grounded segments")
    add("--videos", required=False, help="folder of the videos: names those that are not there")
    add("--against", nargs="+", default=[], required=False,
        help="moments.jsonl of other splits: names the videos that are in both")  # fmt: skip
    add("--policy", required=False, help='what becomes of findings: {"inverted": "drop"}')
    add("--name", required=False, help="name of the benchmark in the records")
    add = verb("overlap", data.overlap, "videos that several splits share")
    add("--moments", nargs="+")("--out")
    add = verb("conversations", data.conversations, "training conversations")
    add("--moments", nargs="+")("--settings", "--out")
    add("--kinds", nargs="+", choices=("grounding", "highlights", "question"))
    add = verb("export", data.export, "conversations for LLaMA-Factory")
    add("--parts", nargs="+", metavar="NAME=CONVERSATIONS=VIDEOS")("--out")
    add = verb("frames", data.frames, "decode videos once into a frame cache")
    add("--moments", nargs="+", help="moments.jsonl files whose videos are read")
    add("--videos", "--settings", "--out", "--cache")("--workers", type=count, required=False)
    add("--timeout", type=seconds, default=60, required=False, help="seconds for one video")
    add("--limit-gb", type=seconds, required=False, help="greatest size of the cached frames")
    add = verb("features", data.features, "run the frozen vision tower once")
    add("--model", "--frames", "--cache", "--out")
    add = verb("toy-benchmark", toy.benchmark, "make the toy videos and annotations")
    add("--settings", "--out")("--workers", type=count, required=False)
    add = verb("toy-cases", toy.cases, "make the toy clips that reducers are compared on")
    add("--settings", "--out")("--workers", type=count, required=False)
    add = verb("toy-base", toy.base, "make the tiny pretrained model folder")
    add("--settings", "--questions", "--frames", "--objects", "--out")
    add("--grounding", nargs="+")


def _model_verbs(verb: Callable) -> None:
    add = verb("train", models.train, "train one stage")
    add("--run", "--stage", "--base", "--settings", "--checkpoints", "--out")
    add("--data", nargs="+", metavar="CONVERSATIONS=FRAMES",
        help="each file of conversations with its frame or feature cache")  # fmt: skip
    add("--probe", metavar="MOMENTS=FRAMES", help="where the sampler's choice is looked at")
    add("--previous", required=False, help="the stage before")
    add("--zero", type=int, choices=(0, 2, 3), required=False, help="on DeepSpeed, with this stage")
    add("--offload", action="store_true", required=False, help="ZeRO's states in main memory")
    add("--checkpointing", action="store_true", required=False, help="recompute activations")
    add("--workers", type=count, default=0, required=False, help="processes that make samples")
    add = verb("merge", models.merge, "merge an adapter into an ordinary model folder")
    add("--run", "--base", "--moments", "--source", "--settings", "--out")
    add("--adapter", required=False, help="the last stage; without it nothing is trained")
    add = verb("infer", models.infer, "answer every query of a benchmark")
    add("--run", "--model", "--moments", "--source", "--settings", "--out")
    add("--kinds", nargs="+", choices=("grounding", "highlights", "question"), required=False,
        help="what is asked, if not what the moments are annotated for")  # fmt: skip
    add("--shard", required=False, help="one part of several, as 2-of-4")
    add("--journal", required=False, help="folder of answers as they come (default: beside --out)")
    add = verb("gather", shards.gather, "join the predictions of all shards")
    add("--moments", "--out")("--parts", nargs="+", help="predictions of each shard")
    add = verb("ground", models.ground, "find when a query happens in a video")
    add("model", "video", "query")
    add("--out", required=False, help="folder for a JSON record and a picture")
    add("--sampler", required=False, help="another sampler than the model's own")
    add("--ratio", type=seconds, required=False, help="another share of the tokens to keep")

    add = verb("demo", models.demo, "a page on this machine to try models on one's own video")
    add("models", nargs="*", help="model folders (those below results)")
    add("--port", type=count, required=False)
    add("--limit-mb", type=seconds, default=500, required=False, help="greatest upload")


def _checkpoint_verbs(verb: Callable) -> None:
    add = verb("import-released", checkpoints.import_released, "a released checkpoint as a folder")
    add("folder")("--out")
    add("--base", required=False, help="base of an adapter, or of absent tokenizer files")
    add("--shard-gb", type=seconds, default=5, required=False, help="greatest size of a file")
    add = verb("sizes", checkpoints.sizes, "parameters and memory of a model, without weights")
    add("model", nargs="?")
    add("--backbone", choices=("qwen", "internvl"), required=False, help="the published model")
    add("--stage", choices=("warmup", "joint", "grounding"), default="grounding", required=False)
    add("--dtype", choices=("float32", "bfloat16"), default="bfloat16", required=False)
    add("--zero", type=int, choices=(0, 2, 3), default=0, required=False, help="stage of ZeRO")
    add("--gpus", type=count, default=1, required=False)
    add("--batch", type=count, default=2, required=False, help="samples of one GPU and step")
    add("--tokens", type=count, default=1152, required=False, help="visual tokens of a sample")
    add("--rank", type=count, default=8, required=False, help="of LoRA")
    add("--lora-vision", action="store_true", required=False, help="LoRA on the vision tower too")
    add("--checkpointing", action="store_true", required=False, help="recompute activations")
    add("--out", required=False, help="JSON record")


def _result_verbs(verb: Callable) -> None:
    add = verb("constant", results.constant, "predict one window, fitted on training moments")
    add("--train", "--moments", "--out")
    add = _scored(verb("score", results.score, "score predictions"))
    add("--run", required=False)
    add("--protocol", choices=("fixed", "official"), required=False, help="read answers again, so")
    add("--precision", choices=("float64", "float32"), default="float64", required=False,
        help="of IoU; published figures are float32")  # fmt: skip
    add("--train", required=False, help="moments.jsonl that the trivial prior window is fitted on")
    add("--resamples", type=count, default=10000, required=False)
    _scored(verb("protocols", protocols.protocols, "what each convention of scoring moves"))
    add = verb("submission", results.submission, "predictions as a QVHighlights submission")
    add("--predictions", "--annotations", "--out")
    add("--complete", action="store_true", required=False)
    add = verb("compare", results.compare, "paired differences of two score records")
    add("ours", "theirs")("--out")
    add("--resamples", type=count, default=10000, required=False)
    add = verb("comparisons", results.comparisons, "joined seeds and differences of all variants")
    add("--runs", help="runs.json: the variant of each run")("--out")
    add("--scores", nargs="+", help="score records of one benchmark")
    add("--resamples", type=count, default=10000, required=False)
    add = verb("tokens", results.tokens, "recall of the queried object's tokens, stage by stage")
    add("--run", "--objects", "--moments", "--out")
    add("--selections", nargs="*", default=[], required=False, metavar="STAGE=FILE")
    add("--predictions", "--test-moments", required=False)
    add("--resamples", type=count, default=10000, required=False)
    add = verb("notebook", results.notebook, "execute a notebook and render it as HTML")
    add("notebook")("--results", "--out", "--html")
    add("--run", required=False, help="the run that a notebook about one run shows")
    add = verb("card", results.card, "write a merged folder's model card with its scores")
    add("model")("--out")
    add("--scores", nargs="*", default=[], required=False, help="score records of the run")
    add = verb("page", results.page, "write the page that shows a scale's results")
    add("results", type=text)
    add("--reference", required=False, help="kept records of a run of the same scale")
    add = verb("verify", results.verify, "hash again all that the records of a results folder name")
    add("results")
    add = verb("reference", results.reference, "keep a run's small records; render the README")
    add("results")("--records", default="results/reference", required=False)
    add("--readme", default="README.md", required=False)


def _scored(add: Callable) -> Callable:
    """Adds the options of what is scored: predictions, and the truth where they do not hold it."""
    add("dataset")("--predictions", "--out")
    add("--annotations", required=False, help="published file or moments.jsonl")
    add("--answers", required=False, help="answers to the questions, where they are another file")
    add("--spans", required=False, help="NExT-GQA's JSON of grounded segments")
    add("--durations", required=False, help="the Charades CSV, or JSON of seconds by video")
    add("--complete", action="store_true", required=False,
        help="count queries without a prediction as failures")  # fmt: skip
    return add


if __name__ == "__main__":
    main()
