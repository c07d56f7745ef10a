"""How options of the command line are read: types that refuse, and errors of one line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NoReturn

from groundvts.errors import BadInput


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        verb = self.prog.removeprefix("groundvts").strip()
        place = f"{verb}: " if verb else ""
        self.exit(2, f"groundvts: {place}{message}; see {self.prog} --help\n")


def text(value: str) -> str:
    if not value:
        raise argparse.ArgumentTypeError("is empty; give a value")
    return value


class Input(str):
    """A path that a verb reads, or several joined by `=`.

    Files of a folder that fit `free` may be written anew; the record `beside` it is read too.
    """

    free: tuple[str, ...] = ()
    beside = ""

    def __new__(cls, value: str) -> Input:
        return super().__new__(cls, text(value))

    def paths(self) -> Iterator[Path]:
        yield from map(Path, filter(None, {self, *self.split("=")}))
        if self.beside:
            yield Path(os.path.splitext(self)[0] + self.beside)


class Output(str):
    """A path that a verb writes: the files `writes`; what ends in `/` is a folder, made whole."""

    writes: tuple[str, ...] = ("{}",)

    def __new__(cls, value: str) -> Output:
        return super().__new__(cls, text(value))

    def paths(self) -> Iterator[tuple[Path, bool]]:
        for form in self.writes:
            path = Path(form.format(self, stem=os.path.splitext(self)[0]))
            for one in path.parent.glob(path.name) if "*" in form else [path]:
                yield one, form.endswith("/")


def reads(*free: str, beside: str = "") -> type[Input]:
    return type("Input", (Input,), {"free": free, "beside": beside})


def writes(*forms: str) -> type[Output]:
    return type("Output", (Output,), {"writes": forms})


def keep_inputs(options: argparse.Namespace) -> None:
    """BadInput where a verb would write over what it reads, or over another of its outputs."""
    named = [(key, [v] if isinstance(v, str) else v) for key, v in vars(options).items()]
    named = [(key, one) for key, values in named if isinstance(values, list) for one in values]
    read = [(one, path) for _, one in named if isinstance(one, Input) for path in one.paths()]
    for key, out in named:
        if not isinstance(out, Output):
            continue
        for (path, whole), (one, given) in product(out.paths(), read):
            if _lost(given, path, whole, getattr(one, "free", ("*",))):
                raise BadInput(f"{given}: would be overwritten by what is made of it; name another "
                               f"--{key}")  # fmt: skip
        read += [(out, path) for path, _ in out.paths()]


def _lost(given: Path, path: Path, whole: bool, free: tuple[str, ...]) -> bool:
    """Whether writing `path`, or making the whole folder anew, changes what is `given`."""
    there, read = (Path(os.path.realpath(one)) for one in (path, given))
    if there == read or (os.path.exists(there) and os.path.exists(read) and there.samefile(read)):
        return True
    if whole and read.is_relative_to(there):
        return True
    inside = there.is_relative_to(read) and (whole or os.path.exists(there))
    return inside and os.path.isdir(read) and not any(there.match(one) for one in free)


def count(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is no number from 1 on")
    return int(value)


def seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{value!r} is no number above 0")
    return number
