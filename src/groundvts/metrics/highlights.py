"""Highlight detection of QVHighlights: mAP and Hit@1 of one score per clip of two seconds.

Definitions of Lei et al. 2021 (QVHighlights, Sec. 5.1) as its public scorer applies them.
"""

from collections.abc import Sequence

import numpy as np

from groundvts.answers import CLIP_SECONDS
from groundvts.data.moment import Moment
from groundvts.errors import BadInput

LEVELS = {"Fair": 2, "Good": 3, "VeryGood": 4}  # the lowest grade of a positive clip


def highlight_scores(
    moments: Sequence[Moment], saliency: Sequence[Sequence[float] | None]
) -> dict[str, np.ndarray]:
    """{name: score_Q} in percent of Q queries; NaN where highlights are not annotated.

    saliency: per query one finite score a clip, clip k from 2k s on; clips not listed score 0,
    clips beyond the video are ignored by mAP and miss. Nothing (None or empty) scores 0.
    HD-mAP: AP averaged over the raters, 0 for one who finds no positive clip. HD-Hit@1: the first
    clip of highest score is positive for a rater. HD-Hit@1-lenient: any clip of highest score is,
    unless every score is 0. Raises BadInput naming a moment that has grades but no duration, or
    grades that cannot be right; one that is absurd scores 0.
    """
    names = [f"HD-{kind}-{level}" for kind in ("mAP", "Hit@1", "Hit@1-lenient") for level in LEVELS]
    scores_QM = np.full((len(moments), len(names)), np.nan)
    for query, (moment, given) in enumerate(zip(moments, saliency, strict=True)):
        if moment.saliency is None:
            continue
        scores_QM[query] = 0.0
        if moment.absurd:
            continue
        positive_CRL = positive_clips(moment)
        if given is not None and len(given):
            scores_QM[query] = _query_scores(np.asarray(given, float), positive_CRL)
    if np.isnan(scores_QM).all():
        return {}
    return {name: 100.0 * scores_QM[:, column] for column, name in enumerate(names)}


def positive_clips(moment: Moment) -> np.ndarray:
    """Whether each clip is positive for each rater at each level, bool [C, R, 3].

    The video has as many clips as fit into its duration, at least one, and reaches to the last
    graded one. Raises BadInput as `highlight_scores` says.
    """
    if moment.duration is None:
        raise BadInput(
            f"{moment.id}: grades of clips but no duration, which says how many clips there are; "
            "convert with --durations"
        )
    clips = [clip for clip, _ in moment.saliency]
    raters = {len(grades) for _, grades in moment.saliency} or {1}
    count = max(int(moment.duration / CLIP_SECONDS), max(clips, default=0) + 1)
    if len(raters) > 1 or 0 in raters or min(clips, default=0) < 0 or len(set(clips)) < len(clips):
        raise BadInput(
            f"{moment.id}: saliency has a clip below 0, a clip twice or clips with unequal numbers "
            "of grades; convert the annotations again"
        )
    grades_CR = np.zeros((count, raters.pop()), int)
    if clips:
        grades_CR[clips] = [grades for _, grades in moment.saliency]
    return grades_CR[..., None] >= np.array(list(LEVELS.values()))


def average_precision(scores_C: np.ndarray, positive_CL: np.ndarray) -> np.ndarray:
    """Interpolated AP_L in [0, 1] of scored clips, one per column of positives; 0 without any.

    Clips of equal score are retrieved together. At each step that retrieves positive clips, the
    precision is the best of that step and all later ones; AP is the mean over these steps, each
    counted once however many positives it retrieves.
    """
    order_C = np.argsort(-scores_C, kind="stable")
    ranked_C = scores_C[order_C]
    last_S = np.flatnonzero(np.append(ranked_C[1:] != ranked_C[:-1], True))
    found_SL = np.cumsum(positive_CL[order_C], axis=0)[last_S]
    precision_SL = found_SL / (last_S + 1)[:, None]
    best_SL = np.maximum.accumulate(precision_SL[::-1])[::-1]
    rises_SL = np.diff(found_SL, axis=0, prepend=0) > 0
    return (best_SL * rises_SL).sum(axis=0) / np.maximum(rises_SL.sum(axis=0), 1)


def _query_scores(given: np.ndarray, positive_CRL: np.ndarray) -> np.ndarray:
    """mAP, Hit@1 and lenient Hit@1 of one query in [0, 1], each at the three levels: [9]."""
    clips, raters, levels = positive_CRL.shape
    scores_C = np.zeros(clips)
    listed = min(clips, len(given))
    scores_C[:listed] = given[:listed]
    ap_RL = average_precision(scores_C, positive_CRL.reshape(clips, -1)).reshape(raters, levels)
    any_CL = positive_CRL.any(axis=1)
    top = given.argmax()
    tied = np.flatnonzero(given[:clips] == given[top]) if given.any() else []
    hit_L = any_CL[top : top + 1].any(axis=0)
    return np.concatenate([ap_RL.mean(axis=0), hit_L, any_CL[tied].any(axis=0)])
