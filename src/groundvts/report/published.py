"""The paper's own numbers: one CSV file for each of its tables, in workflow/published."""

import csv
import math
from pathlib import Path

import pandas as pd

from groundvts.errors import BadInput

FIRST = ("table", "benchmark", "split", "method")
SETTINGS = ("stage", "stages", "granularity", "positions", "scorer", "data", "subtask", "duration")
SETTINGS += ("fps",)
LAST = ("protocol", "note")
RETRIEVAL = ("R1@0.3", "R1@0.5", "R1@0.7", "mIoU")
# HD without a level: the paper names none; `protocol` says which it is. Percent.
METRICS = (*RETRIEVAL, "MR-R1@0.5", "MR-R1@0.7", "HD-mAP", "HD-Hit@1")
METRICS += ("mIoP", "IoU@0.5", "IoP@0.5", "Acc@GQA", "Acc@QA")
RECIPE = ("learning_rate", "epochs", "batch_size", "accumulation")
RECIPE += ("lora_rank", "lora_alpha", "lora_dropout")
NUMBERS = ("density", *METRICS, *RECIPE, "LoRA", "All")


def read_table(folder: str | Path, name: str) -> pd.DataFrame:
    """The table FOLDER/NAME.csv as it stands: one row per benchmark, method and setting.

    Columns: table, benchmark, split, method, the table's settings, its numbers, protocol (how it
    was measured, as far as is known) and note (what does not fit). Numbers are floats, NaN where
    the paper has a dash; the rest is text, empty where nothing is known. density: frames per second
    times the share of tokens kept.
    Raises BadInput with the line for what is no such table.
    """
    path = Path(folder) / f"{name}.csv"
    (_, header), *lines = _lines(path)
    _check_header(path, header)
    rows = []
    for line, cells in lines:
        if len(cells) != len(header):
            raise BadInput(
                f"{path}, line {line}: {len(cells)} cells under {len(header)} columns; correct it"
            )
        row = dict(zip(header, cells, strict=True))
        if not (row["table"] and row["method"]):
            raise BadInput(f"{path}, line {line}: table or method is empty; name it")
        rows.append(
            {
                column: _number(path, line, column, cell) if column in NUMBERS else cell
                for column, cell in row.items()
            }
        )
    return pd.DataFrame(rows, columns=header)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The file's lines that are not blank, each with its number; at least a header and a row."""
    lines: list[tuple[int, list[str]]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            lines += ((rows.line_num, cells) for cells in rows if cells)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); restore the file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        at = lines[-1][0] + 1 if lines else 1
        raise BadInput(f"{path}, line {at}: not CSV in UTF-8 ({error}); correct it") from None
    if len(lines) < 2:
        raise BadInput(f"{path}: no header with a row below it; restore the file")
    return lines


def _check_header(path: Path, header: list[str]) -> None:
    if missing := [name for name in (*FIRST, *LAST) if name not in header]:
        raise BadInput(f"{path}, line 1: no column `{missing[0]}`; add it")
    if twice := [name for name in header if header.count(name) > 1]:
        raise BadInput(f"{path}, line 1: column `{twice[0]}` stands twice; leave one")
    if unknown := set(header) - {*FIRST, *SETTINGS, *NUMBERS, *LAST}:
        raise BadInput(
            f"{path}, line 1: column `{min(unknown)}` is neither a setting nor a metric key; "
            f"settings are {', '.join(SETTINGS)}; metric keys {', '.join(NUMBERS)}"
        )


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell or "nan")
    except ValueError:
        value = math.inf
    if math.isinf(value) or (cell and math.isnan(value)):
        raise BadInput(
            f"{path}, line {line}: {column} is {cell!r:.40}, not a number; "
            "write one, or leave the cell empty"
        )
    return value
