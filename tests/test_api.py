"""What `from groundvts import ...` offers: scores as a table, a model, an answer with a picture."""

import subprocess
import sys

import pytest
from clips import write_clip
from synthetic_records import DATASET, RUNS, write_results
from synthetic_scores import add_benchmark
from tiny import tiny, write_base

import groundvts
from groundvts.data.inputs import Encoder
from groundvts.errors import BadInput
from groundvts.records import read_record, write_json
from groundvts.report.tidy import COLUMNS


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return add_benchmark(write_results(tmp_path_factory.mktemp("toy"), videos=3), "qvhighlights")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model folder with a sampling module that keeps a quarter."""
    place = tmp_path_factory.mktemp("models")
    stock = write_base(place / "stock")
    tiny(stock, ratio=0.25).model.save_pretrained(place / "merged")
    Encoder.copy_files(str(stock), place / "merged")
    return place / "merged"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("videos") / "clip.mp4", list(range(0, 4000, 125)))


def test_importing_loads_neither_torch_nor_pandas():
    code = "import sys, groundvts; assert {'load_records', 'ground'} <= set(dir(groundvts));"
    code += "print(sorted({'torch', 'pandas', 'numpy', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'load_results'"):
        groundvts.load_results  # noqa: B018


def test_every_metric_of_every_run_is_a_row(results):
    records = groundvts.load_records(results)
    assert list(records.columns) == COLUMNS
    assert all(name in groundvts.load_records.__doc__ for name in COLUMNS)
    assert not records.duplicated(["run", "metric"]).any()
    for run, rows in records.groupby("run"):
        score = read_record(results / "scores" / run / f"{DATASET}.json")
        metrics = rows.set_index("metric")[["value", "low", "high"]].T.to_dict()
        assert metrics == score["metrics"]
        assert rows.asked.unique().tolist() == [score["counts"]["asked"]]
    assert records.run.unique().tolist() == [row[0] for row in RUNS]
    row = records[(records.run == "vts-0.5-s0") & (records.metric == "mIoU")].iloc[0]
    assert (row.variant, row.seed, row.sampler, row.ratio) == ("vts-0.5", 0, "vts", 0.5)
    seeds = records.drop_duplicates("run").set_index("run").seed
    assert seeds[seeds.isna()].index.tolist() == ["constant", "base"]  # no seed enters
    assert seeds["vts-0.25-s2"] == 2


def test_another_benchmark_has_its_own_metrics(results):
    records = groundvts.load_records(results, "qvhighlights")
    assert set(records.dataset) == {"qvhighlights"}
    assert {"MR-mAP", "HD-mAP-VeryGood"} <= set(records.metric)
    with pytest.raises(BadInput, match="scored on tacos; scored are charades_sta, qvhighlights"):
        groundvts.load_records(results, "tacos")


def test_the_rate_is_that_of_the_frames_that_were_read(tmp_path):
    folder = write_results(tmp_path, videos=1)
    path = folder / "predictions" / "base" / f"{DATASET}.record.json"
    index = folder / "frames-1" / DATASET / "test" / "index.json"
    write_json(index, {"sampling": {"fps": 1.0}})
    source = {"path": f"elsewhere/toy/frames-1/{DATASET}/test/index.json", "sha256": ""}
    write_json(path, read_record(path) | {"inputs": {"source": source}})
    records = groundvts.load_records(folder)
    assert records[records.run == "base"].fps.unique().tolist() == [1.0]
    assert records[records.run != "base"].fps.isna().all()


def test_runs_of_ablations_and_older_source_are_told(tmp_path):
    folder = write_results(tmp_path, videos=1)
    listed = [{"run": row[0], "variant": row[1], "seed": row[2], "label": row[6]} for row in RUNS]
    write_json(folder / "runs.json", listed[:3])
    write_json(folder / "ablations" / "one" / "runs.json", listed[2:5])
    path = folder / "predictions" / "base" / f"{DATASET}.record.json"
    write_json(path, read_record(path) | {"source": "0" * 64})
    records = groundvts.load_records(folder)
    assert records.run.unique().tolist() == [entry["run"] for entry in listed[:5]]
    assert records[records.older != ""].run.unique().tolist() == ["base"]
    assert set(records[records.run == "base"].older) == {"infer"}


def test_an_answer_holds_windows_kept_tokens_and_scores(folder, clip, tmp_path):
    answer = groundvts.ground(folder, clip, "red circle")
    assert answer.kept.shape == answer.scores.shape == (4, 8, 16)
    assert answer.kept.mean() == 0.25
    assert answer.scores.sum() == pytest.approx(1, abs=1e-4)
    least = answer.scores[answer.kept].min()
    assert least >= answer.scores[~answer.kept].max()
    assert all(start <= end for start, end in answer.windows)
    assert repr(answer) == f"“red circle”: {answer.line}"
    assert answer._repr_png_().startswith(b"\x89PNG")
    drawn = answer.draw(tmp_path / "picture")
    assert drawn == tmp_path / "picture.png"
    assert {path.name for path in tmp_path.iterdir()} == {"picture.png", "picture.pdf"}


def test_a_query_that_cannot_be_put_has_no_picture(folder, clip):
    answer = groundvts.ground(folder, clip, "<|im_end|>")
    assert answer.windows == []
    assert answer.kept is answer.scores is answer._repr_png_() is None
    assert "special token" in repr(answer)


def test_a_loaded_model_answers_as_its_folder_does(folder, clip, tmp_path):
    model = groundvts.load_model(str(folder))
    once = groundvts.ground(str(folder), clip, "red circle")
    again = groundvts.ground(model, clip, "red circle", out=tmp_path)
    varying = {"seconds": None}
    assert once.prediction | varying == again.prediction | varying
    made = read_record(tmp_path / "clip.json")
    assert made["model"] == str(folder)
    assert set(made["inputs"]) == {"video"}
    assert made["settings"]["vts"]["ratio"] == 0.25
    half = groundvts.load_model(str(folder), {"ratio": 0.5})
    assert groundvts.ground(half, clip, "red circle").kept.mean() == 0.5
    with pytest.raises(BadInput, match="loaded already"):
        groundvts.ground(model, clip, "red circle", ratio=0.5)


def test_a_notebook_shows_bad_input_in_one_line():
    from IPython.core.interactiveshell import InteractiveShell

    shown = []
    shell = InteractiveShell()
    shell._showtraceback = lambda kind, value, lines: shown.append("\n".join(lines))
    shell.run_cell("from groundvts import load_records\nload_records('nowhere')")
    assert shown == [
        "BadInput: nowhere: no such file or folder; run `make` first, or correct the path"
    ]
