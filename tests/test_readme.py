"""The README keeps its promises: short, true to the records, no broken link."""

import re
from pathlib import Path

from groundvts.report.readme import check

ROOT = Path(__file__).resolve().parents[1]


def test_the_results_are_rendered_from_the_committed_records():
    assert check(ROOT / "README.md", ROOT / "results" / "reference")


def test_it_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (ROOT / target).exists(), target
