"""The three protocols as settings of the sampling module; `VTSConfig` explains each of them."""

from __future__ import annotations

FIXED = {
    "query_scope": "query",
    "score_norm": "layernorm",
    "centring": False,
    "start": "shared",
    "tau": 1.0,
    "tau_weight": 1.0,
    "tau_gumbel": 1.0,
    "estimator": "none",
    "weight_scale": "sum1",
    "post_mlp": True,
    "step_mean": False,
    "drop": "real",
    "decode": "kept",
    "positions": "dense",
}
# Section 3.2 to the letter: dot products, and Gumbel noise with a straight-through estimate.
PAPER = {**FIXED, "score_norm": "none", "start": "default", "estimator": "gumbel_ste"}
# The released code: the whole prompt is the query, and generation sees what was dropped.
OFFICIAL = {
    **PAPER,
    "query_scope": "official",
    "estimator": "none",
    "drop": "masked",
    "decode": "leak",
}
PROTOCOLS = {"fixed": FIXED, "paper": PAPER, "official": OFFICIAL}


def vts_settings(protocol: str, *changes: dict) -> dict:
    """Settings of the sampling module: the protocol's, and `changes` in turn; null changes none."""
    settings = dict(PROTOCOLS[protocol])
    for change in changes:
        settings |= {key: value for key, value in change.items() if value is not None}
    return settings
