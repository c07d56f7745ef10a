"""Drop visual tokens inside the language model, after some of its decoder layers.

All tokens enter. The last of the first `prune_after` layers measures how much attention each visual
token receives; before the next layer the others leave the hidden states, positions and masks, so
that the caches of later layers never hold them. Decoder layers carry a hook for it; what
that needs comes with the call (`Prune`) and, while tokens are generated, with the cache.

Shapes: B samples, L tokens that enter, M that go on, N visual tokens.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from groundvts.errors import BadInput
from groundvts.models.samplers import keep_highest

MEASURING = "sdpa_that_measures"  # transformers' name for attention with a look at one row


@dataclass
class Prune:
    """What a call asks for, and then what was kept: `keep_BL`, text included, once it has run."""

    visual_BL: torch.Tensor
    attended_BL: torch.Tensor
    asking_B: torch.Tensor  # index of the prompt's last token
    counts_B: torch.Tensor  # K of each video
    after: int
    remove: bool = True  # False: only hidden, to compare with
    keep_BL: torch.Tensor | None = None
    order_BM: torch.Tensor | None = None  # index of what goes on, padding first
    mask: torch.Tensor | None = None  # of the pruned prompt
    positions: tuple[torch.Tensor, ...] = ()  # of the pruned prompt

    def fit(self, rows: int) -> None:
        """Repeats each sample that is generated from several times, as transformers does."""
        if rows != len(self.visual_BL):
            for name in ("visual_BL", "attended_BL", "asking_B", "counts_B"):
                one = getattr(self, name)
                setattr(self, name, one.repeat_interleave(rows // len(one), dim=0))

    def grown(self, length: int) -> Prune:
        """The same prompt with generated tokens behind it, up to `length`: to choose anew."""
        more = length - self.visual_BL.shape[1]
        new = self.visual_BL.new_zeros(len(self.visual_BL), more)
        visual_BL = torch.cat([self.visual_BL, new], dim=1)
        attended_BL = torch.cat([self.attended_BL, ~new], dim=1)
        return replace(self, visual_BL=visual_BL, attended_BL=attended_BL)

    def choose(self, received_BL: torch.Tensor) -> None:
        """Keeps the visual tokens that receive most attention, and all text."""
        visual_BL = keep_highest(received_BL, self.visual_BL, self.counts_B)
        self.keep_BL = (self.attended_BL & ~self.visual_BL) | visual_BL
        length = int(self.keep_BL.sum(1).max())
        self.order_BM = self.keep_BL.byte().argsort(dim=1, stable=True)[:, -length:]
        self.mask = _causal(self.seen)

    @property
    def seen(self) -> torch.Tensor:
        """What of the tokens that go on may be seen (B, M), or of all where none are removed."""
        return self.keep_BL.gather(1, self.order_BM) if self.remove else self.keep_BL


def measuring_attention(module, query, key, value, attention_mask, prune=None, **kwargs):
    """Attention as ever; where a prompt is read for `prune`, its last token's is looked at."""
    if prune is not None and module.layer_idx == prune.after - 1:
        prune.fit(len(query))
        with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
            prune.choose(received(query, key, prune, kwargs["scaling"]))
    return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, **kwargs)


def received(query_BHLD, key_BGLD, prune: Prune, scaling: float) -> torch.Tensor:
    """Attention (B, L) that each token receives from the prompt's last, the mean over heads."""
    rows = torch.arange(len(query_BHLD), device=query_BHLD.device)
    asking_BHD = query_BHLD[rows, :, prune.asking_B].float()
    grouped_BGRD = asking_BHD.unflatten(1, (key_BGLD.shape[1], -1))  # heads that share their keys
    logits_BGRL = grouped_BGRD @ key_BGLD.float().transpose(-1, -2) * scaling
    index_L = torch.arange(key_BGLD.shape[2], device=key_BGLD.device)
    seen_BL = (index_L <= prune.asking_B[:, None]) & prune.attended_BL
    logits_BGRL = logits_BGRL.masked_fill(~seen_BL[:, None, None], -torch.inf)
    return logits_BGRL.softmax(-1).mean((1, 2))


ALL_ATTENTION_FUNCTIONS.register(MEASURING, measuring_attention)


def install(language_model, after: int) -> None:
    """Lets a language model prune after its first `after` layers where a call asks for it.

    Once is enough. Raises BadInput where it has not so many layers, or another kind of attention.
    """
    layers, config = language_model.layers, language_model.config
    if not 0 < after < len(layers):
        raise BadInput(f"vts.prune_after: {after}: the language model has {len(layers)} layers; "
                       f"name one from 1 to {len(layers) - 1}")  # fmt: skip
    if config._attn_implementation != "sdpa":
        raise BadInput(f"vts.sampler: attention: needs attention by sdpa, not "
                       f"{config._attn_implementation}: load the model with sdpa")  # fmt: skip
    measuring = layers[after - 1].self_attn
    if measuring.config is config:
        measuring.config = copy.copy(config)
        measuring.config._attn_implementation_internal = MEASURING
    if not any(isinstance(hook, _Pruned) for hook in layers[-1]._forward_pre_hooks.values()):
        for place, layer in enumerate(layers):
            layer.register_forward_pre_hook(_Pruned(place), with_kwargs=True)


class _Pruned:
    """A decoder layer's pre-hook: after the first layers it reads what was kept."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, layer, arguments: tuple, given: dict) -> tuple[tuple, dict]:
        prune, cache = given.get("prune"), given.get("past_key_values")
        if prune is not None and self.place >= prune.after:
            if cache is not None:
                cache.pruned = prune
            return self._prompt(arguments, given, prune)
        pruned = getattr(cache, "pruned", None) if prune is None else None
        if pruned is not None and self.place >= pruned.after:
            held = cache.layers[self.place].get_seq_length()
            given = given | {"attention_mask": _new_mask(pruned, held, arguments[0].shape[1])}
        return arguments, given

    def _prompt(self, arguments: tuple, given: dict, prune: Prune) -> tuple[tuple, dict]:
        """The kept part of a prompt; only the first pruned layer gets it whole."""
        hidden_BLD, *rest = arguments
        given = given | {"attention_mask": prune.mask}
        if not prune.remove:
            return arguments, given
        order_BM = prune.order_BM
        if self.place == prune.after:
            hidden_BLD = _gathered(hidden_BLD, order_BM)
            whole = given["position_embeddings"]
            prune.positions = tuple(_gathered(one, order_BM) for one in whole)
        given["position_embeddings"] = prune.positions
        if given.get("position_ids") is not None:
            ids_BL = given["position_ids"]
            given["position_ids"] = ids_BL.expand(len(order_BM), -1).gather(1, order_BM)
        return (hidden_BLD, *rest), given


def _gathered(rows_BLD: torch.Tensor, order_BM: torch.Tensor) -> torch.Tensor:
    """Rows in the order given; a batch of one stands for all."""
    width = rows_BLD.shape[-1]
    rows_BLD = rows_BLD.expand(len(order_BM), -1, -1)
    return rows_BLD.gather(1, order_BM[..., None].expand(-1, -1, width))


def _causal(seen_BM: torch.Tensor) -> torch.Tensor | None:
    """The mask (B, 1, M, M) of what each token may see; None where the kernel knows it itself."""
    if seen_BM.all():
        return None
    length = seen_BM.shape[1]
    earlier_MM = torch.ones(length, length, dtype=torch.bool, device=seen_BM.device).tril()
    itself_MM = torch.eye(length, dtype=torch.bool, device=seen_BM.device)  # padding sees itself
    return (earlier_MM & seen_BM[:, None, None]) | itself_MM


def _new_mask(prune: Prune, held: int, new: int) -> torch.Tensor | None:
    """What `new` tokens may see of the `held` ones, a pruned prompt's and later, and each other."""
    seen_BM = prune.seen
    later = held - seen_BM.shape[1] + new
    seen_BM = torch.cat([seen_BM, seen_BM.new_ones(len(seen_BM), later)], dim=1)
    if seen_BM.all() and new == 1:
        return None
    earlier = torch.ones(new, seen_BM.shape[1], dtype=torch.bool, device=seen_BM.device)
    return earlier.tril(seen_BM.shape[1] - new) & seen_BM[:, None, None]
