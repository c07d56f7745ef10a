"""How options of the command line are read: types that refuse, and errors of one line."""

from __future__ import annotations

import argparse
from itertools import takewhile
from typing import NoReturn

from groundvts.escape import log


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, which names a value that was taken for an option."""

    given = ()

    def parse_known_args(self, args=None, namespace=None):
        self.given = args or ()
        found, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return found, others

    def error(self, message: str) -> NoReturn:
        verb = self.prog.removeprefix("groundvts").strip()
        place, usage = f"{verb}: " if verb else "", self.format_usage()
        for word in takewhile("--".__ne__, self.given if verb else ()):
            if word[:1] == "-" and word.split("=")[0] not in usage:
                message += f"; {word} is no option: write ./{word} for a file, or -- before a value"
                break
        log(f"groundvts: {place}{message}; see {self.prog} --help")
        self.exit(2)


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
