"""The `groundvts` command: one verb for each step of the reproduction, usable without Snakemake.

Exit status 0: done; 1: a run failed; 2: an input is wrong. Errors are one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings

from groundvts.errors import BadInput, RunFailed


def main(arguments: list[str] | None = None) -> None:
    """Runs one verb and exits with its status."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", module="transformers|peft|torch")
    options = _parser().parse_args(arguments)
    try:
        options.verb(options)
    except (BadInput, RunFailed, OSError) as error:
        if options.debug:
            raise
        print(f"groundvts: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1 if isinstance(error, RunFailed) else 2)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    from groundvts import verbs

    parser = argparse.ArgumentParser(prog="groundvts", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, function, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=function.__doc__)
        command.set_defaults(verb=function)
        return command

    def add(command: argparse.ArgumentParser, *flags: str, **options) -> None:
        options.setdefault("required", True)
        for flag in flags:
            command.add_argument(flag, **options)

    convert = verb("convert", verbs.convert, "a published annotation file to moments.jsonl")
    convert.add_argument("dataset", metavar="DATASET")
    add(convert, "--split", "--annotations", "--out")
    add(convert, "--durations", required=False, help="the Charades CSV")

    toy = verb("toy-benchmark", verbs.toy_benchmark, "make the toy videos and annotations")
    add(toy, "--settings", "--out")
    add(toy, "--workers", type=int, required=False)

    base = verb("toy-base", verbs.toy_base, "make the tiny pretrained model folder")
    add(base, "--settings", "--questions", "--grounding", "--frames", "--objects", "--out")

    conversations = verb("conversations", verbs.conversations, "training conversations")
    source = conversations.add_mutually_exclusive_group(required=True)
    source.add_argument("--moments", help="moments.jsonl: grounding conversations")
    source.add_argument("--llava-video", help="LLaVA-Video JSON: questions and captions")
    add(conversations, "--settings", "--out")

    frames = verb("frames", verbs.frames, "decode videos once into a frame cache")
    add(frames, "--videos", "--settings", "--out")
    add(frames, "--names", nargs="+", help="JSONL files whose `video` fields name the videos")
    add(frames, "--workers", type=int, required=False)

    features = verb("features", verbs.features, "run the frozen vision tower once")
    add(features, "--model", "--frames", "--out")

    train = verb("train", verbs.train, "train one stage")
    add(train, "--run", "--stage", "--base", "--conversations", "--features", "--settings")
    add(train, "--probe", "--probe-features", "--checkpoints", "--out")
    add(train, "--previous", required=False, help="the stage before")

    merge = verb("merge", verbs.merge, "merge an adapter into an ordinary model folder")
    add(merge, "--run", "--base", "--adapter", "--moments", "--features", "--settings", "--out")

    infer = verb("infer", verbs.infer, "answer every query of a benchmark")
    add(infer, "--run", "--model", "--moments", "--features", "--settings", "--out")

    constant = verb("constant", verbs.constant, "predict one window, fitted on training moments")
    add(constant, "--train", "--moments", "--out")

    score = verb("score", verbs.score, "score predictions")
    score.add_argument("dataset", metavar="DATASET")
    add(score, "--predictions", "--annotations", "--out")
    add(score, "--run", required=False)
    add(score, "--resamples", type=int, default=10000, required=False)

    tokens = verb("tokens", verbs.tokens, "recall of the queried object's tokens, after each stage")
    add(tokens, "--run", "--objects", "--moments", "--out")
    add(tokens, "--selections", nargs="+", metavar="STAGE=FILE")
    add(tokens, "--resamples", type=int, default=10000, required=False)

    ground = verb("ground", verbs.ground, "find when a query happens in a video")
    ground.add_argument("model", metavar="MODEL")
    ground.add_argument("video", metavar="VIDEO")
    ground.add_argument("query", metavar="QUERY")
    add(ground, "--out", required=False, help="folder for a JSON record and a picture")

    notebook = verb("notebook", verbs.notebook, "execute a notebook and render it as HTML")
    notebook.add_argument("notebook", metavar="NOTEBOOK")
    add(notebook, "--results", "--out", "--html")

    page = verb("page", verbs.page, "write the page that shows a scale's results")
    page.add_argument("results", metavar="RESULTS")

    reference = verb("reference", verbs.reference, "keep a run's small records; render the README")
    reference.add_argument("results", metavar="RESULTS")
    add(reference, "--records", default="results/reference", required=False)
    add(reference, "--readme", default="README.md", required=False)
    return parser


if __name__ == "__main__":
    main()
