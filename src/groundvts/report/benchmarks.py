"""What the report knows of each benchmark: its title, its main metric, how its table is split."""

from dataclasses import dataclass
from pathlib import Path

from groundvts.records import read_record
from groundvts.runs import MAIN_BENCHMARK as MAIN


@dataclass(frozen=True)
class Part:
    """A table of a benchmark: the metrics that begin with `prefix`, the main one among them.

    The page shows `first` before the others (the main one where there are none).
    """

    name: str
    prefix: str
    main: str
    first: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """Title, tables (the first one's main metric is the benchmark's) and the README's metrics."""

    title: str
    parts: tuple[Part, ...] = (Part("", "", "mIoU"),)
    short: tuple[str, ...] = ("R1@0.3", "R1@0.5", "R1@0.7", "mIoU")

    @property
    def main(self) -> str:
        """The benchmark's main metric."""
        return self.parts[0].main


KNOWN = {
    MAIN: Benchmark("Charades-STA"),
    "activitynet_captions": Benchmark("ActivityNet-Captions"),
    "qvhighlights": Benchmark(
        "QVHighlights",
        (Part("moments", "MR-", "MR-mAP"), Part("highlights", "HD-", "HD-mAP-VeryGood")),
        ("MR-R1@0.5", "MR-mAP", "HD-mAP-VeryGood", "HD-Hit@1-VeryGood"),
    ),
    "nextgqa": Benchmark(
        "NExT-GQA",
        (Part("", "", "Acc@GQA", first=("Acc@QA", "Acc@GQA")),),
        ("Acc@QA", "Acc@GQA", "mIoU", "mIoP"),
    ),
}


def known(dataset: str) -> Benchmark:
    """The facts of a benchmark; one of your own has its name as title and mIoU as main metric."""
    return KNOWN.get(dataset, Benchmark(dataset))


def evaluated(results: str | Path) -> dict[str, list[str]]:
    """The evaluated benchmarks, each with its variants, as the configuration names them."""
    return read_record(Path(results) / "benchmarks.json")["evaluate"]
