"""Run a function on many inputs in processes that may hang or die without harming the rest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from groundvts.errors import BadInput, RunFailed

# Not the caller's own script, which multiprocessing would import again.
START = "import sys; sys.path[:] = sys.argv[2:]; from groundvts.data.isolated import serve; serve()"


class Outcome(NamedTuple):
    """What became of one task: its value, or the reason (one line) why there is none."""

    key: str
    value: Any
    reason: str | None


def run_isolated(
    function: Callable, tasks: dict[str, tuple], workers: int, timeout_s: float
) -> Iterator[Outcome]:
    """Yields the outcome of function(*arguments) for every task, in the order they finish.

    A call that raises, takes longer than `timeout_s` or kills its process fails alone; the process
    is replaced. `function` is a module's own, not of the script that runs (it is pickled). Raises
    RunFailed where a process does not even start.
    """
    waiting = list(tasks.items())[::-1]
    crew = [_Worker(function) for _ in range(min(workers, len(tasks)))]
    try:
        for _ in tasks:
            outcome = None
            while outcome is None:
                for worker in crew:
                    if worker.idle and waiting:
                        worker.give(*waiting.pop(), timeout_s)
                outcome = _next_outcome(crew, timeout_s)
            yield outcome
            for place, worker in enumerate(crew):
                if worker.ended and waiting:
                    crew[place] = _Worker(function)
    finally:
        for worker in crew:
            worker.end()


def _next_outcome(crew: list[_Worker], timeout_s: float) -> Outcome | None:
    """One outcome; None where a worker has only reported for duty."""
    living = [worker for worker in crew if not worker.ended]
    patience = max(min(worker.deadline for worker in living) - time.monotonic(), 0)
    heard = wait([w.connection for w in living], None if patience == float("inf") else patience)
    for worker in living:
        if worker.connection in heard:
            return worker.hear()
        if worker.deadline <= time.monotonic():
            worker.end()
            return Outcome(worker.key, None, f"no result within {timeout_s:g} s: stopped")
    return None


class _Worker:
    """One process: `key` names its task; it ends when it dies or is stopped."""

    def __init__(self, function: Callable) -> None:
        self.connection, theirs = Pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, str(theirs.fileno()), *map(str, sys.path)],
            stdin=subprocess.PIPE,  # its end tells the process that the parent is gone
            pass_fds=[theirs.fileno()],
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # as many processes as cores
        )
        theirs.close()
        with contextlib.suppress(OSError):  # it has died already: hear() says so
            self.connection.send(function)
        self.key: str | None = None
        self.idle = False  # until it has said that it is there
        self.ended = False
        self.deadline = float("inf")

    def give(self, key: str, arguments: tuple, timeout_s: float) -> None:
        self.key, self.idle, self.deadline = key, False, time.monotonic() + timeout_s
        with contextlib.suppress(OSError):  # it has died while idle: the next hear() says so
            self.connection.send(arguments)

    def hear(self) -> Outcome | None:
        try:
            value, reason = self.connection.recv()
        except (EOFError, ConnectionResetError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
            self.end()
            if self.key is None:
                raise RunFailed("a worker process died while it started") from None
            code = self.process.returncode
            return Outcome(self.key, None, f"its process died (exit status {code})")
        key, self.key, self.idle, self.deadline = self.key, None, True, float("inf")
        return Outcome(key, value, reason) if key is not None else None

    def end(self) -> None:
        if not self.ended:
            self.ended, self.idle, self.deadline = True, False, float("inf")
            self.connection.close()
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()


def serve() -> None:
    """In the process: report for duty, then answer one call of the function after another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers itself
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    function = connection.recv()
    connection.send((None, None))
    while True:
        try:
            arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = function(*arguments), None
        except BadInput as error:
            answer = None, str(error)
        except Exception as error:  # whatever it is, it costs this task only
            answer = None, " ".join(f"{type(error).__name__}: {error}".split())
        connection.send(answer)


def _end_with_parent() -> None:
    """A parent that was killed leaves no process behind, not even one that hangs."""
    os.read(0, 1)
    os._exit(1)
