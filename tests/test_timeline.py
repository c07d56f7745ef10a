"""The picture of a timeline: what it shows for clips of any length and shape."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyQuadMesh, QuadMesh

from groundvts.report import timeline as module
from groundvts.report.time_rows import lanes
from groundvts.report.timeline import Timeline, draw_timelines

RNG = np.random.default_rng(0)


def clip(frames=16, height=56, width=56, grid=(8, 2, 2), step=1.0, ratio=0.25, **given) -> Timeline:
    """A clip of noise whose best-scored tokens are kept."""
    count = int(np.prod(grid))
    scores = RNG.dirichlet(np.ones(count))
    kept = np.sort(np.argsort(-scores)[: int(np.ceil(count * ratio))]).tolist()
    pixels = RNG.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    settings = {"heading": "a query", "scores": scores.tolist()} | given
    return Timeline(pixels=pixels, grid=grid, second_per_grid=step, kept=kept, **settings)


@pytest.fixture
def drawn(monkeypatch):
    """Draws clips without writing them; returns the figure."""
    figures = []
    monkeypatch.setattr(module, "save", lambda figure, stem: figures.append(figure))

    def draw(*clips, title=""):
        draw_timelines(list(clips), "picture", title)
        return figures[-1]

    return draw


def words(figure) -> list[str]:
    """All texts of a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def pictures(figure) -> list:
    return [image for axes in figure.axes for image in axes.images]


HARD = {
    "two frames": clip(2, grid=(1, 2, 2), duration=0.6, predicted=((0.0, 0.5),)),
    "toy": clip(42, grid=(21, 2, 2), true=((2.0, 8.0),), predicted=((2.0, 9.0),)),
    "a step of one token": clip(8, 28, 28, grid=(4, 1, 1)),
    "150 s": clip(128, 112, 140, (64, 4, 5), 150 / 64, duration=150.0, predicted=((3.0, 3.0),)),
    "portrait": clip(128, 168, 84, (64, 6, 3), 0.5, predicted=((31.0, 32.0),)),
    "256 tokens": clip(16, 448, 448, (16, 16, 16), 0.7, ratio=0.1, duration=11.2),
    "all kept": clip(16, 448, 448, (16, 16, 16), 0.7, ratio=1.0, duration=11.2),
    "1:50": clip(4, 1400, 28, (2, 50, 1)),
    "50:1": clip(4, 28, 1400, (2, 1, 50)),
    "many windows": clip(predicted=tuple((k / 2, k / 2 + 1.2) for k in range(14))),
    "after the end": clip(duration=8.0, predicted=((7.0, 900.0), (50.0, 60.0))),
    "no scores": clip(scores=None),
    "long words": clip(heading="why " * 150, note="x" * 300, failure="no window: " + "�" * 400),
    "formulae": clip(heading=r"costs $5 or $\frac", note="$x", failure=r"no window: '$\q $'"),
}


@pytest.mark.parametrize("name", ["toy", "formulae"])
def test_a_picture_is_written_as_png_and_pdf(tmp_path, name):
    path = draw_timelines([HARD[name]], tmp_path / "out" / "a.b")
    assert path == tmp_path / "out" / "a.b.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.with_name("a.b.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", HARD)
def test_nothing_leaves_the_page(drawn, name):
    figure = drawn(HARD[name])
    right = figure.bbox.width + 0.3 * figure.dpi
    for axes in figure.axes:
        for text in axes.texts:
            box = text.get_window_extent()
            assert -1 <= box.x0 <= box.x1 <= right, text.get_text()
    assert 0.5 < figure.get_figheight() < 6


@pytest.mark.parametrize("name", HARD)
def test_pictures_keep_their_shape_and_do_not_overlap(drawn, name):
    figure = drawn(HARD[name])
    height, width = HARD[name].pixels.shape[1:3]
    last = -1.0
    for image in pictures(figure):
        box = image.get_window_extent()
        assert box.width / box.height == pytest.approx(width / height, rel=0.12)
        assert box.x0 >= last
        last = box.x1 - 0.01


def test_a_toy_clip_shows_every_step_with_numbers(drawn):
    figure = drawn(HARD["toy"])
    assert len(pictures(figure)) == 21
    counts = HARD["toy"].kept_thw.sum(axis=(1, 2))
    assert [word for word in words(figure) if word.isdigit() and word != "0"] == [
        str(count) for count in counts if count
    ]
    assert "of 4" in words(figure)


def test_the_heat_strip_holds_the_kept_tokens_of_every_step(drawn):
    figure = drawn(HARD["150 s"])
    strips = [c for axes in figure.axes for c in axes.collections
              if isinstance(c, (QuadMesh, PolyQuadMesh))]  # fmt: skip
    counts = HARD["150 s"].kept_thw.sum(axis=(1, 2))
    assert np.array_equal(np.ravel(strips[0].get_array()), counts)
    assert len(pictures(figure)) < 64
    assert f"{counts.min()} to {counts.max()}\nof 20" in words(figure)


def test_frames_stand_at_their_own_times(drawn):
    middles = tuple((np.arange(16) + 0.5) * 0.7)
    internvl = clip(16, 56, 56, (16, 2, 2), 0.7, times=middles, duration=11.2)
    assert [internvl.frame(step)[1] for step in (0, 15)] == [middles[0], middles[15]]
    assert {"0.3", "10.8"} <= set(words(drawn(internvl)))
    pairs = clip(8, grid=(4, 2, 2), times=(0.0, 0.5, 1.1, 1.5, 2.0, 2.5, 3.04, 3.5))
    assert [pairs.frame(step)[1] for step in range(4)] == [0.0, 1.1, 2.0, 3.04]
    assert {"0.0", "1.1", "2.0", "3.0"} <= set(words(drawn(pairs)))
    odd = clip(7, grid=(4, 2, 2))
    assert all(odd.frame(step)[0] is not None for step in range(4))
    assert np.array_equal(odd.frame(1)[0], odd.pixels[2])


def test_lines_lead_from_pictures_to_times(drawn):
    long = HARD["150 s"]
    figure = drawn(long)
    leaders = next(axes for axes in figure.axes if len(axes.lines) > 3)
    shown = len(pictures(figure))
    assert len(leaders.lines) == shown
    for place, line in enumerate(leaders.lines):
        middle = (place + 0.5) * 150 / shown
        assert line.get_xdata()[0] == pytest.approx(middle)
        assert abs(line.get_xdata()[1] - middle) <= 75 / shown + 2 * 150 / 64


def test_of_each_stretch_the_step_that_kept_most_is_shown(drawn):
    kept = [16 * 16 * step + token for step in (2, 9) for token in range(256)]
    pixels = RNG.integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    figure = drawn(Timeline("q", pixels, (16, 16, 16), 1.0, kept))
    times = [word for word in words(figure) if word.endswith(".0")]
    assert len(times) == 7
    assert {"2.0", "9.0"} <= set(times)
    assert "7 of 16 steps" in words(figure)[-1]


def test_the_outline_goes_round_regions(drawn):
    one = np.zeros((1, 3, 3), dtype=bool)
    one[0, 1, :2] = True  # two neighbours: six sides, none between them
    timeline = clip(2, grid=(1, 3, 3))
    timeline = Timeline("q", timeline.pixels, (1, 3, 3), 1.0, np.flatnonzero(one).tolist())
    figure = drawn(timeline)
    [lines] = [c for axes in figure.axes for c in axes.collections if isinstance(c, LineCollection)]
    assert len(lines.get_segments()) == 6
    all_kept = drawn(HARD["all kept"])
    assert not [c for a in all_kept.axes for c in a.collections if type(c) is LineCollection
                and len(c.get_segments()) > 1]  # fmt: skip


def test_scores_are_a_curve_with_its_scale(drawn):
    timeline = HARD["toy"]
    figure = drawn(timeline)
    [curve] = [axes for axes in figure.axes if len(axes.patches) > 1 and axes.get_ylim()[1] != 1
               and any(text.get_text() == "score" for text in axes.texts)]  # fmt: skip
    sums = np.reshape(timeline.scores, (21, 4)).sum(axis=1)
    assert np.allclose(curve.patches[0].get_data().values, sums)
    assert f"{sums.max():.2g}" in words(figure)
    assert "score: sum over a step's tokens" in " ".join(" ".join(words(figure)).split())


def test_without_scores_the_caption_says_so(drawn):
    said = words(drawn(HARD["no scores"]))
    assert "score" not in said
    assert "No curve" in said[-1]


def test_a_failure_is_shown_in_words(drawn):
    said = words(drawn(clip(failure="no window (one_number): the model answered '7'")))
    assert "no window (one_number): the model answered '7'" in said
    assert "none" in words(drawn(clip()))


def test_windows_after_the_end_keep_their_seconds(drawn):
    timeline = HARD["after the end"]
    assert timeline.limit == pytest.approx(1.12 * 8)
    said = words(drawn(timeline))
    assert "50.0–60.0 s" in said
    assert clip(duration=8.0, predicted=((1.0, 8.3),)).limit == pytest.approx(8.3)
    assert clip(duration=8.0).limit == 8.0


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([], []),
        ([(0, 2), (2, 3)], [0, 0]),
        ([(0, 2), (1, 3), (2, 4)], [0, 1, 0]),
        ([(5, 6), (0, 9), (5, 6)], [1, 0, 2]),
    ],
)
def test_overlapping_windows_get_lanes(windows, expected):
    assert lanes(windows) == expected


def test_clips_of_one_kind_share_a_caption(drawn):
    several = words(drawn(HARD["toy"], HARD["toy"], title="Two queries"))
    assert sum("Pictures:" in word for word in several) == 1
    assert several[0] == "Two queries"
    mixed = words(drawn(HARD["toy"], HARD["no scores"]))
    assert sum("Pictures:" in word for word in mixed) == 2
