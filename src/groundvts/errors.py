"""The kit's own errors: each carries one line for the user."""


class BadInput(Exception):
    """An input is wrong (exit status 2).

    The message is one line: the file, the line or id, what is wrong, what to do.
    """

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it."""
        from groundvts.escape import plain

        return [plain(f"{type(self).__name__}: {self}")]


class VideoReadError(BadInput):
    """A video that cannot be read: it costs its own samples, not the run."""


class RunFailed(Exception):
    """A run failed although its inputs were right (exit status 1); one-line message."""
