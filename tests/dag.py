"""A copy of the project whose DAG is cut down to a minute, for tests."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from clips import steady, write_clip

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    *("Snakefile", "config.yaml", "workflow", "notebooks", "profiles", "envs", "benchmarks", "src"),
)
VARIANTS = {"qwen": "vts-0.25", "internvl": "internvl-vts-0.25"}
OTHERS = ("qvhighlights", "nextgqa")  # asked of one variant
FURTHER = {  # what only ablations make
    "untrained": {"label": "No stage", "like": "vts-0.25", "stages": [], "main": False},
    "asked": {"label": "Asked", "model": "vts-0.25", "ratio": 0.5, "fps": 1.0, "main": False},
    "skips": {
        "label": "1, 3",
        "like": "vts-0.25",
        "stages": ["warmup", "grounding"],
        "main": False,
    },
}


def tiny_config(*backbones: str) -> dict:
    """The toy configuration with every number cut down; one variant of each backbone (of qwen)."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for stage in config["stages"].values():
        stage.update(steps=3, batch_size=2, global_batch=4)
    kept = [VARIANTS[backbone] for backbone in backbones or ("qwen",)]
    config["variants"] = {
        name: {**config["variants"][name], "seeds": [0], "more_seeds": []} for name in kept
    }
    config["ablations"], config["reducers"] = {}, {}
    if len(kept) > 1:
        config["variants"] |= FURTHER
        both = {"title": "Backbones", "variants": kept}
        asked = {"title": "Ways", "variants": [kept[0], "base", *FURTHER]}
        config["ablations"] = {"backbones": both, "ways": asked}
    sizes = {"layers": 1, "width": 64, "mlp": 128, "heads": 4, "kv-heads": 2, "head-dim": 16}
    config["efficiency"] = {
        "prefill": {**sizes, "visual": 128, "text": 16, "repeats": 1},
        "training_step": {**sizes, "visual": 128, "text": 48, "repeats": 1},
        "time_by_stage": {"queries": 2, "repeats": 1},
        "grouped_inference": {"small": True, "most": 4, "repeats": 1, "layers": 1},
    }
    config["score"] = {"resamples": 100}
    config["evaluate"] = {"charades_sta": "all", **{key: ["vts-0.25"] for key in OTHERS}}
    config["toy"] = {
        "side": 56,
        "bases": "make",
        "clips": {"pretrain": 10, "train": 10, "val": 3, "test": 4},
        "base": {"steps": 3, "batch": 4, "align_steps": 10, "align_batch": 2},
    }
    return config


def run_tiny(folder: Path, config: dict, *targets: str) -> Path:
    """A copy of the project in `folder` in which the DAG has run, with a benchmark of one's own."""
    copy_project(folder)
    add_own_benchmark(folder, config)
    write_config(folder, config)
    done = snakemake(folder, "--", *targets)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


def record(path: Path) -> dict:
    """A JSON document."""
    return json.loads(path.read_text())


def add_own_benchmark(folder: Path, config: dict) -> None:
    """A benchmark of one's own: three clips below `my/videos`, five moments, one without a file."""
    videos = folder / "my" / "videos" / "part1"
    videos.mkdir(parents=True)
    for number in range(3):
        write_clip(videos / f"clip{number}.mp4", steady(200 + 25 * number))
    rows = [{"video": f"clip{n % 4}", "query": f"query {n}", "windows": [[1, 4]]} for n in range(5)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "my" / "moments.jsonl").write_text(lines)
    config["benchmarks"]["mine"] = {
        "format": "moments",
        "videos": "my/videos",
        "annotations": "my/moments.jsonl",
    }
    config["evaluate"]["mine"] = "all"


def copy_project(folder: Path) -> Path:
    """Copies what Snakemake needs of the project."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def write_config(folder: Path, config: dict) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def command(name: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """A command of this environment, and the variables to run it with."""
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    return [str(bin_folder / name), *arguments], environment


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Runs Snakemake in `folder` on two cores."""
    words, environment = command("snakemake", "--cores", "2", *arguments)
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Rules that Snakemake would run now, with their number of jobs."""
    plan = snakemake(folder, "--quiet", "host", "-n", *arguments)
    assert plan.returncode == 0, plan.stderr
    return jobs(plan)


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """Rules that Snakemake says it runs, with their number of jobs."""
    text = done.stdout + done.stderr
    if "Nothing to be done" in text:
        return {}
    table = text.split("Job stats:")[1].split("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


@contextmanager
def edited(file: Path, change: Callable[[str], str]) -> Iterator[None]:
    """A file's text is changed, and then as old as it was and the same again."""
    before, stat = file.read_text(), file.stat()
    file.write_text(change(before))
    try:
        yield
    finally:
        file.write_text(before)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@contextmanager
def configured(folder: Path, change: Callable[[dict], object]) -> Iterator[None]:
    """The configuration is changed, and then the same again."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    with edited(folder / "config.yaml", lambda text: yaml.safe_dump(config, sort_keys=False)):
        yield


def changed(folder: Path, change: Callable[[dict], object], *targets: str) -> dict[str, int]:
    """What Snakemake would run with a changed configuration."""
    with configured(folder, change):
        return planned(folder, *targets)
