"""Settings of the sampling module: what the paper leaves open, each under a name of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from groundvts.errors import BadInput
from groundvts.models.samplers import INSIDE, SAMPLERS, SCORED

CHOICES = {
    "scorer": (None, "learned", "cosine"),
    "query_scope": ("query", "instruction", "all_text_no_answer", "official"),
    "score_norm": ("layernorm", "none"),
    "start": ("shared", "default"),
    "estimator": ("none", "ste", "gumbel_ste"),
    "weights": ("score", "constant"),
    "weight_scale": ("sum1", "mean1"),
    "drop": ("real", "masked"),
    "decode": ("kept", "leak"),
    "positions": ("dense", "reindexed", "sequential_1d"),
}


@dataclass(frozen=True)
class VTSConfig:
    """Settings of the module; the defaults are the protocol `fixed` (see `protocols.py`).

    sampler: which tokens are kept; one of the registry (section 3.2: `vts`).
    ratio: share rho of a video's n tokens to keep, K = ceil(rho * n), each video by itself.
    scorer: what scores a token against the query: the module's projections (`learned`) or the
      `cosine` of their embeddings, which needs no training; None: as its sampler was registered.
    prune_after: layers of the language model that read all tokens, for a sampler that chooses
      inside it.
    query_scope: the tokens whose embeddings are averaged to the query (section 3.2). `query`: the
      words of what is asked; `instruction`: the user's text after the video;
      `all_text_no_answer`: every attended text token but the answer; `official`: every token that
      is no visual placeholder, so answer and padding too.
    score_norm: of token and query: `layernorm` of both (without parameters) and 1/sqrt(R) on their
      product, or `none`, the paper's plain dot product.
    centring: subtract the running mean of pooled queries before scoring.
    start: `shared` lets both projections start as one orthogonal matrix; `default` is torch's.
    tau, tau_weight, tau_gumbel: temperatures of the scores' softmax (tau), of the weights' (tau' of
      equation 6) and of the soft choice in the backward pass (tau_g of equation 5).
    estimator: how the gradient passes the choice, never what the choice is. `none`: through the
      weights of the kept tokens alone; `ste`: straight through z = hard + soft - sg(soft);
      `gumbel_ste`: the same with Gumbel noise on log w in training (equation 5). It acts where the
      sampler chooses by score.
    weights: `score` multiplies each kept token by its weight (equation 6); `constant` by 1/K,
      with the gradient of `score` where the sampler scores.
    weight_scale: `sum1` lets the weights of kept tokens sum to 1; `mean1` to K.
    post_mlp: pass kept tokens through the MLP (the released parameter-free variant does not).
    step_mean: replace each token by the mean of its grid step before all else, as the released
      frame-level variant does.
    drop: `real` removes dropped tokens from the sequence; `masked` only hides them.
    decode: what generated tokens after the first see: `kept` tokens only; `leak`: dropped ones too,
      as released (needs `masked`, and a cache).
    positions: of what is kept. `dense`: those of the whole sequence, with gaps, as the paper's;
      `reindexed`: as if the kept tokens were all there is; `sequential_1d`: the index in the whole
      sequence on every axis.
    seed: of samplers that draw, beside each sample's own.
    """

    hidden_size: int = 512
    sampler: str = "vts"
    ratio: float = 0.5
    scorer: str | None = None
    prune_after: int = 2
    query_scope: str = "query"
    score_norm: str = "layernorm"
    centring: bool = False
    start: str = "shared"
    tau: float = 1.0
    tau_weight: float = 1.0
    tau_gumbel: float = 1.0
    estimator: str = "none"
    weights: str = "score"
    weight_scale: str = "sum1"
    post_mlp: bool = True
    step_mean: bool = False
    drop: str = "real"
    decode: str = "kept"
    positions: str = "dense"
    seed: int = 0

    def __post_init__(self) -> None:
        for key, allowed in {"sampler": tuple(SAMPLERS), **CHOICES}.items():
            if getattr(self, key) not in allowed:
                known = ", ".join(map(str, allowed))
                raise BadInput(f"vts.{key}: {getattr(self, key)!r} is none of {known}")
        for key in ("hidden_size", "prune_after", "tau", "tau_weight", "tau_gumbel"):
            if getattr(self, key) <= 0:
                raise BadInput(f"vts.{key}: {getattr(self, key)} is not above 0")
        if not 0 < self.ratio <= 1:
            raise BadInput(f"vts.ratio: {self.ratio} is outside (0, 1]: name the share to keep")
        if self.sampler == "none" and self.ratio != 1:
            raise BadInput(f"vts.ratio: {self.ratio}, but the sampler none keeps all: set it to 1")
        if self.decode == "leak" and self.drop != "masked":
            raise BadInput("vts.decode: leak, but dropped tokens are gone: set vts.drop to masked")

        if self.inside and (self.positions, self.decode) != ("dense", "kept"):
            raise BadInput(f"vts.sampler: {self.sampler} chooses inside the language model: set "
                           "vts.positions to dense and vts.decode to kept")  # fmt: skip

    @property
    def scored(self) -> str | None:
        """By which scores the sampler chooses: `learned` or `cosine`; None: by none."""
        named = SCORED.get(self.sampler)
        return named and (self.scorer or named)

    @property
    def inside(self) -> bool:
        """Whether the choice is made inside the language model."""
        return self.sampler in INSIDE

    @classmethod
    def from_dict(cls, settings: dict) -> VTSConfig:
        """Reads settings, refusing unknown keys by name (BadInput)."""
        unknown = set(settings) - {field.name for field in fields(cls)}
        if unknown:
            raise BadInput(f"vts.{sorted(unknown)[0]}: no such setting")
        return cls(**settings)

    def to_dict(self) -> dict:
        return asdict(self)
