"""Token recall: how much of the queried object the kept tokens hold (toy benchmark only)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from groundvts.data.files import read_jsonl
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.bootstrap import clustered_intervals
from groundvts.metrics.joining import check_asked, check_ids

SHARES = ("object", "interval", "distractors")
ROUNDING = 1e-6  # s


def read_selections(path: str | Path) -> list[dict[str, Any]]:
    """All selections, or predictions, of a JSONL file. Raises BadInput with file and line."""
    predictions = []
    for line, fields in read_jsonl(path):
        if not isinstance(fields.get("id"), str):
            raise BadInput(f"{path}, line {line}: no id; give every prediction its moment's id")
        predictions.append(fields)
    return predictions


def kept_tokens(path: str | Path) -> float | None:
    """How many visual tokens predictions kept, the mean of a query; None where none is told."""
    counts = [len(line["kept"]) for line in read_selections(path) if line.get("grid")]
    return float(np.mean(counts)) if counts else None


def token_recall(
    moments: Sequence[Moment],
    selections: Sequence[Mapping[str, Any]],
    objects: Mapping[str, Mapping[str, Mapping[str, Any]]],
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Kept shares in percent after one stage: one value of the token record's `after`.

    object: of the queried object's tokens; interval: of all tokens in the true windows;
    distractors: of the tokens of the clip's other objects, each in its own window; each is
    {value, low, high} over all queries (summed kept / summed tokens), or None where there is no
    such token. kept_share: of all tokens. Selections without tokens (a video that could not be
    read) are counted as failed and listed.
    Raises BadInput if ids do not match, an object is unknown or a kept index is impossible.
    """
    kept, totals, videos, failures = [], [], [], []
    given = {selection["id"]: selection for selection in selections}
    check_ids([m.id for m in moments], [s["id"] for s in selections], "selections")
    for moment in moments:
        selection = given[moment.id]
        check_asked(moment, selection.get("video"), selection.get("query"), "selections")
        if not selection.get("grid"):
            failures.append({"id": moment.id, "reason": selection.get("failure") or "no_tokens"})
            continue
        masks_MX = _masks(moment, selection, objects)
        keep_X = _kept(selection, masks_MX.shape[1])
        kept.append((masks_MX & keep_X).sum(axis=1))
        totals.append(masks_MX.sum(axis=1))
        videos.append(moment.video)
    if not kept:
        raise BadInput(f"{moments[0].id}: no selection holds tokens; run the stage's probe again")
    counts = {"asked": len(moments), "scored": len(kept), "failed": len(failures)}
    recall = _shares(np.stack(kept), np.stack(totals), videos, resamples, seed)
    return recall | {"counts": counts, "failures": failures}


def _shares(
    kept_NM: np.ndarray, totals_NM: np.ndarray, videos: list[str], resamples: int, seed: int
) -> dict[str, Any]:
    """The three shares with their intervals, and the share of all tokens (last column)."""
    columns = clustered_intervals(100.0 * kept_NM, totals_NM, videos, resamples, seed)
    rows = np.clip(columns, 0, 100).T.tolist()
    shares: dict[str, Any] = {
        name: dict(zip(("value", "low", "high"), row, strict=True)) if total else None
        for name, row, total in zip(SHARES, rows, totals_NM.sum(axis=0), strict=False)
    }
    return shares | {"kept_share": rows[-1][0]}


def _masks(moment: Moment, selection: Mapping[str, Any], objects: Mapping) -> np.ndarray:
    """Which of the X = t*h*w dense tokens (time-major) each share is taken of, bool [4, X]."""
    shown = objects.get(moment.video, {})
    if moment.query not in shown:
        raise BadInput(
            f"{moment.id}: objects.json has no {moment.query!r} in video {moment.video}; "
            "use the objects of the same benchmark"
        )
    grid, step = selection["grid"], float(selection["second_per_grid"])
    masks = np.zeros((4, *grid), dtype=bool)
    for query, thing in shown.items():
        row, column = thing["cell"]
        if not (0 <= row < grid[1] and 0 <= column < grid[2]):
            raise BadInput(
                f"{moment.id}: {query!r} lies in cell {thing['cell']}, outside the token grid "
                f"{grid}; use the objects and frames of the same benchmark"
            )
        within = _steps_within(thing["window"], grid[0], step)
        masks[0 if query == moment.query else 2, within, row, column] = True
    for window in moment.windows:
        masks[1, _steps_within(window, grid[0], step)] = True
    masks[3] = True
    return masks.reshape(4, -1)


def _steps_within(window: Sequence[float], steps: int, seconds: float) -> np.ndarray:
    """Which grid steps [t*seconds, (t+1)*seconds) lie inside `window` (s), bool [steps]."""
    begins = np.arange(steps) * seconds
    return (begins >= window[0] - ROUNDING) & (begins + seconds <= window[1] + ROUNDING)


def _kept(selection: Mapping[str, Any], tokens: int) -> np.ndarray:
    """The kept dense indices as a mask, bool [tokens]."""
    kept = np.asarray(selection["kept"], dtype=int)
    if len(np.unique(kept)) != len(kept) or (kept < 0).any() or (kept >= tokens).any():
        raise BadInput(
            f"{selection['id']}: kept holds an index twice or outside 0..{tokens - 1}; "
            "write the predictions again"
        )
    keep = np.zeros(tokens, dtype=bool)
    keep[kept] = True
    return keep
