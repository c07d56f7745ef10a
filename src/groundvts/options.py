"""How options of the command line are read: types that refuse, and errors of one line."""

from __future__ import annotations

import argparse
from typing import NoReturn


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
