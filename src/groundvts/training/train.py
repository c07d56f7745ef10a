"""One stage from start to adapter folder: load, train, save, and look at what the scorer keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from peft import PeftModel
from transformers import set_seed

from groundvts.data.conversations import Conversation
from groundvts.data.features import FeatureCache
from groundvts.data.files import part_of, whole_folder, write_jsonl
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.escape import say
from groundvts.inference.predict import select_tokens
from groundvts.models.load import load_model
from groundvts.models.parts import projector
from groundvts.models.samplers import SAMPLERS
from groundvts.models.vts_config import VTSConfig
from groundvts.prompts import Prompts
from groundvts.records import code_hash, hash_path, modules
from groundvts.records import fingerprint as hashed
from groundvts.training.checkpoints import checkpoint_folder, checkpoints, discard, finish
from groundvts.training.engine import Engine, dtype
from groundvts.training.processes import Processes
from groundvts.training.samples import Samples
from groundvts.training.saved import adapter_state, check_adapter
from groundvts.training.stages import StageSettings, stage_model, trainable_parameters
from groundvts.training.trainer import release, train


@dataclass(frozen=True)
class StageRun:
    """One stage of one run: what it starts from, where it writes, and what it runs on."""

    run: str
    stage: str
    base: str
    previous: Path | None
    vts: dict
    settings: StageSettings
    seed: int
    checkpoints: Path
    out: Path
    engine: Engine = field(default_factory=Engine)
    processes: Processes = field(default_factory=Processes)

    @property
    def partial(self) -> Path:
        """Where the adapter lies until all of it is there."""
        return part_of(self.out)

    def load(self):
        """The base with its sampling module, in the precision of the stage."""
        kind = "auto" if dtype(self.settings) == "bfloat16" else "float32"
        return load_model(self.base, self.vts, kind, self.seed)


@contextmanager
def train_stage(
    job: StageRun,
    encoder: Encoder,
    data: list[tuple[list[Conversation], object]],
    probe: list[Moment],
    probe_source,
    prompts: Prompts,
    same: dict[str, str],
) -> Iterator[dict]:
    """Trains one stage and writes its adapter with `selection.jsonl` to `job.partial`.

    A stage that follows none writes `selection_before.jsonl` too: what is kept before training.
    What the block adds there goes with it to `job.out`, when the block has ended well.
    `data` holds conversations beside the source of their videos (a feature cache or frames);
    `probe` are moments on which the trained sampler's choice is recorded, as saved; a training of
    the `same` identity is continued. Gives the payload of the record; of several processes the
    first alone writes and has one. RunFailed where the adapter is not what was to be trained.
    """
    first = job.processes.first
    with (
        checkpoint_folder(job.checkpoints, same) if first else nullcontext(),
        ExitStack() as whole,
    ):
        if first:
            whole.enter_context(whole_folder(job.out))
        payload = _trained(job, Samples(data, encoder), data)
        release()
        with job.processes.parting():
            if not first:
                yield {}
                return
            model = PeftModel.from_pretrained(job.load(), job.partial).eval()
            asked = (model.get_base_model(), encoder, probe_source, probe, prompts)
            write_jsonl(job.partial / "selection.jsonl", select_tokens(*asked))
            if job.previous is None:
                with model.disable_adapter():  # the base with its sampling module as it starts
                    write_jsonl(job.partial / "selection_before.jsonl", select_tokens(*asked))
            yield payload
            whole.close()
            for path in checkpoints(job.checkpoints):
                discard(path)


def identity(job: StageRun, record: dict) -> dict[str, str]:
    """Hashes of what decides a stage's weights: not places, probe, batch size or checkpoints."""
    settings = {**asdict(job.settings), "dtype": dtype(job.settings)}
    del settings["batch_size"], settings["checkpoint_steps"]
    data = {name: entry["sha256"] for name, entry in record["inputs"].items() if name != "probe"}
    data.setdefault("base", job.base)
    if job.previous is not None:  # its record tells of its run
        files = ("adapter_config.json", "adapter_model.safetensors")
        data["previous"] = [hash_path(job.previous / name) for name in files]
    sampler = SAMPLERS[VTSConfig.from_dict(job.vts or {}).sampler].__module__
    code = modules("training.train") | modules(sampler.removeprefix("groundvts."))
    libraries = [record["versions"][name] for name in ("torch", "transformers", "peft", "numpy")]
    parts = {"settings": [job.vts, settings, job.seed], "data": data, "libraries": libraries}
    parts["code"] = code_hash(sorted(code))
    return {name: hashed(part, {}) for name, part in parts.items()}


def _trained(job: StageRun, samples: Samples, data: list[tuple[list[Conversation], object]]):
    """Trains the stage into `job.partial` and checks what lies there."""
    set_seed(job.seed)
    base = job.load()
    _check(job, base, [source for _, source in data])
    for module in (base.vts, projector(base)):
        module.float()  # small steps on bfloat16 weights would be rounded away
    scorer, model = base.vts, stage_model(base, job.settings, job.previous)
    if not scorer.learns and set(job.settings.learning_rate) == {"vts"}:
        model.enable_input_require_grads()  # the stage trains nothing; it has a backward pass
    start = adapter_state(model)
    trainable = trainable_parameters(model).to_dict()
    label = f"{job.run} {job.stage}"
    if job.processes.first:
        for group, count in trainable["groups"].items():
            say(f"{label}: trains {group}: {count:,} parameters")
    where = (job.checkpoints, job.partial, label, job.seed)
    measured = train(model, samples, job.settings, job.engine, job.processes, *where)
    measured = {"engine": job.engine.record(job.settings, job.processes), **measured}
    if job.processes.first:
        updates = measured["steps"] - (job.settings.warmup > 0)  # the first rate of a warm-up is 0
        check_adapter(job.partial, start, scorer.projects, updates)
        if measured["resumed_from"] < measured["steps"]:  # not taken over
            finish(job.checkpoints, job.partial, measured)
    return {
        "run": job.run,
        "stage": job.stage,
        **measured,
        "samples": samples.counts(),
        "trainable": trainable,
    }


def _check(job: StageRun, base, sources: list) -> None:
    """BadInput where a stage cannot be trained so: another tower's features, or shared centring."""
    for source in sources:
        source.check(base)
        if job.settings.lora_vision and isinstance(source, FeatureCache):
            raise BadInput("lora_vision: the vision tower trains, but its features are cached: "
                           "set features: false")  # fmt: skip
    if base.vts.config.centring and job.processes.count > 1:
        raise BadInput("vts.centring: each process would keep a mean of its own: train on one")
