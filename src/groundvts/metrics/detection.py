"""Moment retrieval with several ranked windows a query: R1, R5 and mAP of QVHighlights.

Definitions of Lei et al. 2021 (QVHighlights, Sec. 5.1) as its public scorer applies them. AP of a
query: its first ten windows in the order of their scores, each taking the free true window of
highest IoU (the later one of two equals) if that reaches the threshold; then the interpolated
precision (the best at this recall or a higher one) summed over the steps of recall (PASCAL VOC).
"""

from collections.abc import Sequence

import numpy as np

from groundvts.metrics.moments import Windows

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # of IoU, each included
CLASSES = {"short": (0, 10), "middle": (10, 30), "long": (30, 150), "full": (-np.inf, np.inf)}
RANKED = 10  # windows of a query that count


def detection_scores(
    windows: Sequence[Windows], targets: Sequence[Windows]
) -> dict[str, np.ndarray]:
    """{name: score_Q} in percent of Q queries; NaN: the query does not count, having no target.

    windows: per query [start, end] or [start, end, score] (s), none at all scoring 0. MR-R1@m:
    the first one reaches IoU m with a true window; MR-R5@m: one of the first five does, given if
    any query has a second window. MR-mAP: mean of AP over IoU 0.5, 0.55 ... 0.95; by length of the
    true window: short (0, 10], middle (10, 30], long (30, 150] s, given if any query has one.
    """
    best_QK2, precision_QKT = retrieval(windows, targets)
    best_Q2, precision_QT = best_QK2[:, -1], precision_QKT[:, -1]
    ranks = {"R1": 0, "R5": 1} if any(len(some) > 1 for some in windows) else {"R1": 0}
    scores = {
        f"MR-{name}@{at}": np.where(np.isnan(best_Q2[:, column]), np.nan, best_Q2[:, column] >= at)
        for name, column in ranks.items()
        for at in (0.5, 0.7)
    }
    scores["MR-mAP"] = precision_QT.mean(axis=1)
    scores |= {f"MR-mAP@{at}": precision_QT[:, THRESHOLDS.index(at)] for at in (0.5, 0.75)}
    for column, name in enumerate(list(CLASSES)[:-1]):
        scores[f"MR-mAP-{name}"] = precision_QKT[:, column].mean(axis=1)
    return {name: 100.0 * score for name, score in scores.items() if not np.isnan(score).all()}


def retrieval(
    windows: Sequence[Windows], targets: Sequence[Windows]
) -> tuple[np.ndarray, np.ndarray]:
    """best_QK2 and precision_QKT in [0, 1] for Q queries, K classes of length, T thresholds.

    best: the highest IoU of the first window and of the first five, as listed, with a true window
    of the class. precision: AP. Both NaN where the query has no true window of the class.
    """
    shape = (len(windows), len(CLASSES))
    best_QK2, count_QK = np.full((*shape, 2), np.nan), np.zeros(shape)
    hits_QPKT = np.zeros((shape[0], RANKED, shape[1], len(THRESHOLDS)), bool)
    for query, (given, true) in enumerate(zip(windows, targets, strict=True)):
        true_G2 = np.array(true, float).reshape(-1, 2)
        within_KG = length_classes(true_G2)
        count_QK[query] = within_KG.sum(axis=1)
        if not len(given) or not len(true):
            best_QK2[query, count_QK[query] > 0] = 0.0
            continue
        iou_PG = cross_iou(np.array([window[:2] for window in given[:RANKED]], float), true_G2)
        for column, first in enumerate((1, 5)):
            best_KG = np.where(within_KG, iou_PG[:first].max(axis=0), np.nan)
            best_QK2[query, :, column] = np.fmax.reduce(best_KG, axis=1)
        hits_PKT = _hits(iou_PG[_by_score(given[:RANKED])], within_KG)
        hits_QPKT[query, : len(hits_PKT)] = hits_PKT
    return best_QK2, _average_precision(hits_QPKT, count_QK)


def length_classes(targets_G2: np.ndarray) -> np.ndarray:
    """Whether each target belongs to each class of length, bool [K, G]; all do to the last."""
    length_G = targets_G2[:, 1] - targets_G2[:, 0]
    return np.array([(low < length_G) & (length_G <= high) for low, high in CLASSES.values()])


def cross_iou(windows_P2: np.ndarray, targets_G2: np.ndarray) -> np.ndarray:
    """IoU [P, G] of every window with every target (s); 0 where they share nothing."""
    start_PG = np.maximum(windows_P2[:, None, 0], targets_G2[:, 0])
    shared_PG = np.maximum(np.minimum(windows_P2[:, None, 1], targets_G2[:, 1]) - start_PG, 0.0)
    length_P, length_G = (pair[:, 1] - pair[:, 0] for pair in (windows_P2, targets_G2))
    union_PG = length_P[:, None] + length_G - shared_PG
    return np.divide(shared_PG, union_PG, out=np.zeros_like(union_PG), where=shared_PG > 0)


def _by_score(windows: Windows) -> np.ndarray:
    """The ranks' indices, highest score first, equal ones as listed; as listed without scores."""
    scores = [-window[2] if len(window) > 2 else 0.0 for window in windows]
    return np.argsort(scores, kind="stable")


def _hits(iou_PG: np.ndarray, within_KG: np.ndarray) -> np.ndarray:
    """Whether each ranked window takes a true one of each class at each threshold, [P, K, T]."""
    thresholds_T = np.array(THRESHOLDS)
    hits_PKT = np.zeros((len(iou_PG), len(within_KG), len(thresholds_T)), bool)
    free_KTG = np.repeat(within_KG[:, None], len(thresholds_T), axis=1)
    for rank, iou_G in enumerate(iou_PG):
        order_G = np.argsort(iou_G, kind="stable")[::-1]
        order_G = order_G[iou_G[order_G] >= thresholds_T[0]]
        if not len(order_G):
            continue
        open_KTG = free_KTG[..., order_G] & (iou_G[order_G] >= thresholds_T[:, None])
        hits_PKT[rank] = open_KTG.any(axis=2)
        classes, levels = np.nonzero(hits_PKT[rank])
        taken = order_G[open_KTG.argmax(axis=2)[classes, levels]]
        free_KTG[classes, levels, taken] = False
    return hits_PKT


def _average_precision(hits_QPKT: np.ndarray, count_QK: np.ndarray) -> np.ndarray:
    """Interpolated AP [Q, K, T] of ranked hits among `count` true windows; NaN without any."""
    ranks_P = np.arange(1, hits_QPKT.shape[1] + 1)
    precision_QPKT = np.cumsum(hits_QPKT, axis=1) / ranks_P[:, None, None]
    best_QPKT = np.maximum.accumulate(precision_QPKT[:, ::-1], axis=1)[:, ::-1]
    gained_QKT = (best_QPKT * hits_QPKT).sum(axis=1)
    return gained_QKT / np.where(count_QK > 0, count_QK, np.nan)[..., None]
