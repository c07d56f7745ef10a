"""Run a notebook with papermill and turn it into a page that fetches nothing from outside."""

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError

from groundvts.data.files import naming, writing
from groundvts.errors import BadInput, RunFailed
from groundvts.report.html import POLICY
from groundvts.report.output import REPORTING

SCRIPT = re.compile(r"<script\b.*?</script>", re.IGNORECASE | re.DOTALL)


def render_notebook(
    notebook: str | Path,
    out_ipynb: str | Path,
    out_html: str | Path,
    parameters: dict[str, Any],
    report: bool = True,
) -> None:
    """Execute `notebook` with `parameters`; write the executed copy and its HTML, both or neither.

    Without `report` the tables and figures of the results stay as they are. Raises BadInput if the
    notebook cannot be read, RunFailed naming notebook and cell if a cell fails.
    """
    os.environ[REPORTING] = "yes" if report else ""
    with writing(out_ipynb) as executed, writing(out_html) as page:
        found = _execute(Path(notebook), parameters)
        with naming(Path(out_ipynb), executed):
            nbformat.write(found, executed)
        page.write_text(to_html(found, Path(out_ipynb).stem), encoding="utf-8")


def shown_run(executed: Path) -> str | None:
    """The run that an executed notebook was asked to show."""
    known = nbformat.read(executed, as_version=4).metadata.get("papermill", {})
    return known.get("parameters", {}).get("run")


def to_html(notebook: nbformat.NotebookNode, title: str) -> str:
    """The notebook's text and outputs, without code, as one self-contained page."""
    exporter = HTMLExporter(
        template_name="lab",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    html = SCRIPT.sub("", html)  # they load formulas and diagrams, which no notebook here has
    return html.replace("<head>", f"<head>{POLICY}", 1)


def _execute(notebook: Path, parameters: dict[str, Any]) -> nbformat.NotebookNode:
    try:
        nbformat.read(notebook, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{notebook}: not a readable notebook ({reason}); restore it") from None
    try:
        return papermill.execute_notebook(
            str(notebook),
            None,
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
