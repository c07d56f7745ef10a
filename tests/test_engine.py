"""Batches over several processes, precision, recomputed activations, and what is saved."""

import pytest
import ranks
import torch
from accelerate.data_loader import BatchSamplerShard
from safetensors.torch import load_file, save_file
from tiny import tiny, write_base, write_internvl
from torch.utils.data import BatchSampler
from transformers import AutoModelForImageTextToText

from groundvts.data.features import PixelSource
from groundvts.data.inputs import Encoder
from groundvts.errors import BadInput, RunFailed
from groundvts.models.load import load_model
from groundvts.training.checkpoints import last_checkpoint, seal
from groundvts.training.engine import Engine, arguments
from groundvts.training.processes import Processes
from groundvts.training.samples import DurationGrouped, Samples
from groundvts.training.saved import adapter_state, check_adapter, save_adapter
from groundvts.training.stages import StageSettings, stage_model

WRITE = {"qwen": write_base, "internvl": write_internvl}
BACKBONES = list(WRITE)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {name: str(write(folder / name)) for name, write in WRITE.items()}


def stage(**changes) -> StageSettings:
    given = {"learning_rate": ranks.RATES, **ranks.SETTINGS, **changes}
    return StageSettings(["own"], **given)


def shares(processes: int, count: int, batch: int = 2, whole: int = 16) -> list[list[int]]:
    """The samples of each step over all processes, as accelerate gives batches out."""
    durations, shared = [float(n % 7) for n in range(count)], batch * processes
    order = DurationGrouped(durations, whole, 3, shared if processes > 1 else 1)
    each = [list(BatchSampler(order, batch, drop_last=False))]
    if processes > 1:
        given = BatchSampler(order, batch, drop_last=False)
        each = [list(BatchSamplerShard(given, processes, rank)) for rank in range(processes)]
    assert len({len(batches) for batches in each}) == 1
    steps = whole // (batch * processes)
    return [
        sorted(n for batches in each for one in batches[at : at + steps] for n in one if n < count)
        for at in range(0, len(each[0]), steps)
    ]


@pytest.mark.parametrize("processes", [2, 4, 8])
@pytest.mark.parametrize("count", [45, 48, 3, 33])
def test_a_step_holds_the_same_samples_whatever_the_number_of_processes(processes, count):
    assert shares(processes, count) == shares(1, count)
    assert sorted(n for step in shares(processes, count) for n in step) == list(range(count))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_blank_adds_nothing_to_loss_or_gradient(bases, backbone):
    encoder = Encoder(bases[backbone])
    samples = Samples([(ranks.samples(), PixelSource(ranks.Clips(), encoder))], encoder)
    model = stage_model(load_model(bases[backbone], {"hidden_size": 16}), stage(), None).train()
    batch = encoder.collate([samples[len(samples)], samples[len(samples) + 1]])
    loss = model(**batch, num_items_in_batch=torch.tensor(7)).loss
    loss.backward()
    assert loss == 0
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_recomputed_activations_give_the_same_gradients(bases, backbone):
    t = tiny(bases[backbone])
    samples = (t.sample("red circle", 4, 1, "yes"), t.sample("blue square", 6, 2, "from 03s"))
    found = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = stage_model(tiny(bases[backbone]).model, stage(lora_dropout=0.1), None).train()
        if recompute:
            model.activation_checkpointing_enable({"use_reentrant": False})
        layers = model.get_base_model().model.language_model.layers
        calls = []
        layers[0].self_attn.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        torch.manual_seed(1)
        model(**t.batch(*samples, labels=True)).loss.backward()
        assert len(calls) == 1 + recompute
        trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        assert any(".vts." in name and grad.any() for name, grad in trained.items())
        found.append(trained)
    for name, gradient in found[0].items():
        assert torch.equal(found[1][name], gradient), name


@pytest.mark.parametrize("backbone", BACKBONES)
def test_bfloat16_keeps_what_trains_in_float32(bases, backbone, tmp_path):
    base = WRITE[backbone](tmp_path / "base")
    AutoModelForImageTextToText.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(base)
    job = {"base": str(base), "vts": {}, "engine": {"gradient_checkpointing": True}}
    settings = {"dtype": "bfloat16", "learning_rate": dict.fromkeys(ranks.RATES, 1e-5)}
    payload = ranks.run({**job, "settings": settings, "out": str(tmp_path / "out")})
    assert payload["engine"]["dtype"] == "bfloat16"
    assert payload["engine"]["gradient_checkpointing"]
    saved = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    kept = [t for name, t in saved.items() if "post_mlp.0.weight" in name]
    assert not torch.equal(kept[0], kept[0].bfloat16().float())  # steps smaller than it resolves


@pytest.fixture
def saved(bases, tmp_path):
    """An adapter that trained by one step, its start, and the tensors in its file."""
    model = stage_model(load_model(bases["qwen"], {"hidden_size": 16}), stage(), None)
    start = adapter_state(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * parameter.requires_grad
    save_adapter(model, tmp_path, first=True)
    return tmp_path, start, load_file(tmp_path / "adapter_model.safetensors")


def test_a_whole_adapter_passes_the_check(saved):
    folder, start, found = saved
    assert found.keys() == start.keys()
    check_adapter(folder, start, projects=True, updates=9)


PARTS = ("vts.post_mlp.0.weight", "merger.ln_q", "layers.0.self_attn.q_proj.lora_B")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda found, start, name: found.pop(name), "was trained but not saved"),
        (lambda found, start, name: found.update({name: torch.zeros(0)}), r"shape \(0,\), not"),
        (lambda found, start, name: found.update({name: start[name]}), "as it was before"),
        (lambda found, start, name: found[name].fill_(float("nan")), "not finite"),
    ],
)
def test_a_damaged_adapter_is_named(saved, part, damage, named):
    folder, start, found = saved
    [name] = [name for name in found if part in name]
    damage(found, start, name)
    save_file(found, folder / "adapter_model.safetensors")
    with pytest.raises(RunFailed, match=named) as error:
        check_adapter(folder, start, projects=True, updates=9)
    assert name in str(error.value)


def test_what_gets_no_gradient_need_not_change(saved):
    folder, start, found = saved
    for name in found:
        if ".lora_A." in name or ".vts.project_" in name:
            found[name] = start[name]
    save_file(found, folder / "adapter_model.safetensors")
    check_adapter(folder, start, projects=False, updates=1)
    for projects, updates, named in ((True, 1, "project_"), (False, 2, "lora_A")):
        with pytest.raises(RunFailed, match=named):
            check_adapter(folder, start, projects, updates)


@pytest.mark.parametrize(
    ("vts", "groups"),
    [
        ({"sampler": "uniform", "weights": "constant"}, ["vts"]),
        ({"sampler": "cosine", "post_mlp": False}, ["vts"]),  # without anything to learn
        ({"sampler": "cosine", "post_mlp": False}, ["vts", "projector", "lora"]),
    ],
)
def test_a_module_that_does_not_project_goes_through_every_stage(bases, tmp_path, vts, groups):
    settings = {"steps": 3, "learning_rate": dict.fromkeys(groups, 1e-2)}
    job = {"base": bases["qwen"], "engine": {}, "settings": settings, "vts": vts}
    assert ranks.run({**job, "out": str(tmp_path / "out")})["steps"] == 3


def test_checkpoints_of_another_launcher_are_refused_and_kept(tmp_path):
    checkpoint = tmp_path / "checkpoint-4"
    checkpoint.mkdir()
    seal(checkpoint, {"processes": 8, "zero": 3, "left": 5})
    assert last_checkpoint(tmp_path, {"processes": 8, "zero": 3}) == checkpoint
    with pytest.raises(BadInput, match="checkpoint-4: written with processes 8, zero 3: continue"):
        last_checkpoint(tmp_path, {"processes": 4, "zero": 3})
    assert checkpoint.exists()


def test_batches_and_engines_that_cannot_be_are_refused(bases, tmp_path):
    with pytest.raises(BadInput, match="global_batch: 9 is no multiple of batch_size 2"):
        arguments(stage(global_batch=9), Engine(), Processes(), tmp_path, 0)
    with pytest.raises(BadInput, match="DeepSpeed is started by torchrun"):
        arguments(stage(), Engine(zero=2), Processes(), tmp_path, 0)
    with pytest.raises(BadInput, match="dtype: 'float16': choose"):
        stage(dtype="float16")
