"""The page that a reader opens, in a browser: whole, silent, alone and as narrow as a phone."""

from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, check_page, check_pages
from synthetic_records import write_results

from groundvts.report.page import write_page

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
HEAD = '<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">'
PHONE = '<meta name="viewport" content="width=device-width, initial-scale=1">'
FAULTS = {
    "picture not drawn: a": '<img src="absent.png" alt="a">',
    "link leads nowhere: absent.csv": '<a href="absent.csv">a</a>',
    "link leads nowhere: #absent": '<a href="#absent">a</a>',
    "link leads nowhere: other.html#absent": '<a href="other.html#absent">a</a>',
    "asks for https://a.invalid/b.js": '<script src="https://a.invalid/b.js"></script>',
    "asks for http://a.invalid/b.png": '<style>p { background: url("http://a.invalid/b.png") }'
    "</style><p>a</p>",
    "console: gone wrong 7": "<script>console.error('gone wrong', 7)</script>",
    "ReferenceError: absent is not defined": "<script>absent()</script>",
    "pixels wide on a screen of 390": '<div style="width: 500px">a</div>',
}


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


def written(folder: Path, body: str) -> Path:
    (folder / "other.html").write_text(f'{HEAD}{PHONE}<p id="here">a</p>')
    page = folder / "page.html"
    page.write_text(f"{HEAD}{PHONE}{body}")
    return page


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(browser, tmp_path, fault):
    found = check_page(browser, written(tmp_path, FAULTS[fault]))
    assert any(fault in line for line in found), found


def test_a_page_for_wide_screens_alone_is_found(browser, tmp_path):
    page = written(tmp_path, "")
    page.write_text(HEAD + "a")
    assert check_page(browser, page) == ["page.html: 980 pixels wide on a screen of 390"]


def test_a_good_page_passes(browser, tmp_path):
    links = ("other.html#here", "other.html", "#top", "https://arxiv.org", "data:text/plain,a")
    anchors = "".join(f'<a href="{link}">a</a>' for link in links)
    wide = '<div style="overflow-x: auto"><div style="width: 900px">a</div></div>'
    assert check_page(browser, written(tmp_path, f'<p id="top">{anchors}</p>{wide}')) == []


def test_the_page_of_a_run_passes(tmp_path):
    write_page(write_results(tmp_path / "toy"))
    assert check_pages(tmp_path / "toy") == ["notebooks: no page"]
