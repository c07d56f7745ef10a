"""The launcher's command, its refusals, and that it is no reason to train again."""

import dataclasses
import re
import shlex
import subprocess
from types import SimpleNamespace

import pytest
from dag import ROOT, tiny_config
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from torch.distributed.run import get_args_parser

from groundvts.config import checked
from groundvts.errors import BadInput
from groundvts.launcher import Launcher, accumulation
from groundvts.training.engine import Engine

STAGES = {"joint": {"batch_size": 2, "global_batch": 64}}


@pytest.mark.parametrize(
    ("launcher", "command"),
    [
        (Launcher(), "groundvts train"),
        (Launcher(gradient_checkpointing=True, workers=2),
         "groundvts train --checkpointing --workers 2"),
        (Launcher("torchrun", processes=4),
         "OMP_NUM_THREADS=1 python -m groundvts.gpus 4 torchrun --standalone "
         "--nproc_per_node 4 -m -- groundvts.cli train"),
        (Launcher("deepspeed", processes=2, zero=3, offload=True),
         "OMP_NUM_THREADS=1 python -m groundvts.gpus 2 torchrun --standalone "
         "--nproc_per_node 2 -m -- groundvts.cli train "
         "--zero 3 --offload"),
        (Launcher("deepspeed"),
         "OMP_NUM_THREADS=1 python -m groundvts.gpus 1 torchrun --standalone "
         "--nproc_per_node 1 -m -- groundvts.cli train "
         "--zero 0"),
        (Launcher("torchrun", processes=4, nodes=2, rendezvous="gpu1.local:29500"),
         "OMP_NUM_THREADS=1 python -m groundvts.gpus 4 torchrun --nnodes 2 --rdzv_backend c10d "
         "--rdzv_id run-joint --rdzv_endpoint gpu1.local:29500 --nproc_per_node 4 -m -- "
         "groundvts.cli train"),
    ],
)  # fmt: skip
def test_one_function_builds_the_command(launcher, command):
    assert launcher.command("run-joint") == command


SRUN = """#!/usr/bin/env bash
echo "$@"
while [[ $1 != bash ]]; do shift; done
unset SLURM_JOB_NODELIST
SLURM_STEP_NODELIST='gpu[7-8]' exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
[[ $* == "show hostnames gpu[7-8]" ]] && printf 'gpu7\\ngpu8\\n'
"""
TORCHRUN = "#!/usr/bin/env bash\nprintf '<%s>' \"$@\"\n"


def test_several_nodes_of_slurm_meet_at_the_steps_first(tmp_path, monkeypatch):
    """Which only what srun starts is told of; the plugin hides the job's nodes from the rule."""
    for name, said in (("srun", SRUN), ("scontrol", SCONTROL), ("torchrun", TORCHRUN)):
        (tmp_path / name).write_text(said)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "4242")
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)
    launcher = Launcher("deepspeed", processes=4, nodes=2, zero=2, workers=1)
    command = f'{launcher.command("run-joint")} --settings \'{{"a": "b c $x"}}\''
    said = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True)
    asked, started = said.stdout.splitlines()
    words = "--kill-on-bad-exit=1 --nodes 2 --ntasks 2 --ntasks-per-node 1 --cpus-per-task 8 bash"
    assert asked.startswith(words)
    words = "--nnodes 2 --rdzv_backend c10d --rdzv_id 4242 --rdzv_endpoint gpu7:29742 "
    words += "--nproc_per_node 4 -m -- groundvts.cli train --zero 2 --workers 1 --settings"
    assert started == "".join(f"<{word}>" for word in words.split()) + '<{"a": "b c $x"}>'


class Resources(dict):
    """A job's resources as the plugin reads them."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize(
    ("launcher", "gpu", "words"),
    [
        (Launcher("torchrun", 8, workers=4), 8, "--cpus-per-task=40"),
        (Launcher("torchrun", 8, 2), 16, "--nodes=2 --ntasks=2 --cpus-per-task=8"),
        (Launcher("torchrun", 8, 2), 0, "--nodes=2 --ntasks=2 --cpus-per-task=8"),
    ],
)
def test_the_plugin_asks_slurm_for_one_task_a_node(launcher, gpu, words):
    """With all cores of a node, of which the profile gives a job's threads 16 at most."""
    names = ("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir")
    resources = Resources(**launcher.resources, gpu=gpu, mem_mb=1000, runtime=60)
    job = SimpleNamespace(resources=resources, threads=min(16, launcher.threads))
    asked = get_submit_command(job, dict.fromkeys(names, ""))
    assert re.findall(r"--(?:nodes|ntasks|cpus)\S*", asked) == words.split()


def test_torchrun_hands_the_verbs_options_on():
    """Some of them begin as its own do (--run and --run-path)."""
    options = "--run r --stage s --out o --data a=b --probe c=d --base e --settings {} --log x"
    for launcher in (Launcher("torchrun", 2), Launcher("deepspeed", 2, zero=3, offload=True)):
        words = shlex.split(f"{launcher.command('run-joint')} {options}")
        parsed = get_args_parser().parse_args(words[words.index("torchrun") + 1 :])
        assert (parsed.module, parsed.training_script) == (True, "groundvts.cli")
        assert parsed.training_script_args[0] == "train"
        assert parsed.training_script_args[-16:] == shlex.split(options)
        assert parsed.nproc_per_node == "2"


@pytest.mark.parametrize(
    ("launcher", "named"),
    [
        (Launcher(processes=2), "launcher.engine: single is one process"),
        (Launcher(nodes=2), "launcher.engine: single is one process"),
        (Launcher("torchrun", zero=2), "torchrun has neither zero nor offload"),
        (Launcher(offload=True), "single has neither zero nor offload"),
        (Launcher("deepspeed", offload=True), "launcher.offload: ZeRO stage 0"),
        (Launcher("torchrun", processes=3), r"stages\.joint\.global_batch: 64 is no multiple of "
                                            r"batch_size 2 x 3 processes"),
        (Launcher("torchrun", processes=8, nodes=8), "2 x 64 processes"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(launcher, named):
    with pytest.raises(BadInput, match=named):
        launcher.check(STAGES)


def test_a_mean_that_each_process_would_keep_is_refused_before_anything_runs():
    config, schema = tiny_config(), ROOT / "workflow/schemas/config.schema.json"
    config["vts"] = {"centring": True}
    checked(config, schema)
    config["launcher"] = {"engine": "torchrun", "processes": 2}
    with pytest.raises(BadInput, match=r"config: variants\.vts-0\.25: centring: each process"):
        checked(config, schema)


def test_the_papers_batch_is_that_of_eight_processes():
    assert accumulation(2, 64, 8) == 4
    Launcher("torchrun", processes=8).check(STAGES)
    Launcher("deepspeed", processes=4, nodes=2, zero=3, offload=True, workers=4).check(STAGES)


@pytest.mark.parametrize(
    ("engine", "shared"),
    [
        (Engine(zero=0), {"stage": 0}),
        (Engine(zero=2, offload=True), {"stage": 2, "offload_optimizer": {"device": "cpu"}}),
        (Engine(zero=3, offload=True),
         {"stage": 3, "offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "cpu"}}),
    ],
)  # fmt: skip
def test_deepspeed_shares_out_what_the_stage_says(engine, shared):
    assert engine.deepspeed()["zero_optimization"] == shared
    assert dataclasses.replace(engine, zero=None).deepspeed() is None
