"""Run a notebook with papermill and turn it into a page that fetches nothing from outside."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError

from groundvts.errors import BadInput, RunFailed
from groundvts.report.html import POLICY

SCRIPT = re.compile(r"<script\b.*?</script>", re.IGNORECASE | re.DOTALL)


def render_notebook(
    notebook: str | Path, out_ipynb: str | Path, out_html: str | Path, parameters: dict[str, Any]
) -> None:
    """Execute `notebook` with `parameters`; write the executed copy and its HTML, both or neither.

    Raises BadInput if the notebook cannot be read, RunFailed naming notebook and cell if a cell
    fails.
    """
    out_ipynb, out_html = Path(out_ipynb), Path(out_html)
    for path in (out_ipynb, out_html):
        path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_ipynb.parent, prefix=".running-") as folder:
        executed = Path(folder) / out_ipynb.name
        _execute(Path(notebook), executed, parameters)
        page = Path(folder) / "page.html"
        page.write_text(to_html(executed), encoding="utf-8")
        os.replace(page, out_html)
        os.replace(executed, out_ipynb)


def to_html(notebook: Path) -> str:
    """The notebook's text and outputs, without code, as one self-contained page."""
    exporter = HTMLExporter(
        template_name="lab",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    html, _ = exporter.from_filename(str(notebook))
    html = SCRIPT.sub("", html)  # they load formulas and diagrams, which no notebook here has
    return html.replace("<head>", f"<head>{POLICY}", 1)


def _execute(notebook: Path, executed: Path, parameters: dict[str, Any]) -> None:
    try:
        nbformat.read(notebook, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{notebook}: not a readable notebook ({reason}); restore it") from None
    try:
        papermill.execute_notebook(
            str(notebook),
            str(executed),
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        line = (error.source.strip().splitlines() or [""])[0]
        raise RunFailed(
            f"{notebook}: code cell {error.exec_count} ({line!r}) failed: "
            f"{error.ename}: {error.evalue}"
        ) from None
    except Exception as error:
        raise RunFailed(f"{notebook}: {type(error).__name__}: {error}") from error
