"""The picture of one query's kept tokens at several moments of training, one row for each."""

from pathlib import Path

from groundvts.report.figures import styled
from groundvts.report.strips import Timeline
from groundvts.report.time_rows import SOFT
from groundvts.report.timeline import caption, draw_rows, kept_rows, window_rows, words


@styled
def draw_stages(clips: dict[str, Timeline | None], stem: str | Path, title: str) -> Path:
    """One clip with what was kept of it at each named moment; None: not recorded, as it then says.

    All show the steps that the last one shows, in its shades. Writes `stem`.png and `stem`.pdf;
    returns the path of the png.
    """
    known = [clip for clip in clips.values() if clip is not None]
    most = max((int(clip.kept_thw.sum(axis=(1, 2)).max()) for clip in known), default=1)
    rows = [*words(title, 11, weight="bold"), (0.08, None)]
    for name, clip in clips.items():
        if clip is None:
            rows += words(f"{name}: not recorded", 9, style="italic", color=SOFT)
            continue
        heading = name
        if clip.within.any() and clip.kept:
            share = 100 * clip.within[clip.kept_thw.nonzero()[0]].mean()
            heading += f": {share:.0f} % of the kept tokens lie in the true window"
        rows += [*words(heading, 9, weight="bold"), *kept_rows(clip, known[-1], most), (0.1, None)]
    if known:
        said = f"{caption(known[-1])} All rows show the steps of the last."
        rows += [*window_rows(known[-1], asked=False), *words(said, 7, color=SOFT)]
    return draw_rows(rows, stem)
