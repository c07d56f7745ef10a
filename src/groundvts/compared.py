"""What a configuration compares, checked and spelled out: ablations and token reducers."""

from __future__ import annotations

from groundvts.errors import BadInput
from groundvts.runs import BASE, at_ratio


def narrow(config: dict) -> None:
    """Leaves the ablations that `only` names; BadInput where one of them is none."""
    only = [config["only"]] if isinstance(config["only"], str) else config["only"]
    for unknown in sorted(set(only or ()) - set(config["ablations"])):
        known = ", ".join(config["ablations"]) or "none"
        raise BadInput(f"config: only: no ablation {unknown!r}; there are {known}")
    if only is not None:
        config["ablations"] = {name: config["ablations"][name] for name in only}


def share_out(config: dict) -> None:
    """Makes an ablation of each benchmark that one names: NAME, then NAME_BENCHMARK."""
    shared = {}
    for name, one in config["ablations"].items():
        for place, benchmark in enumerate(one["benchmarks"]):
            shared[f"{name}_{benchmark}" if place else name] = one | {"benchmark": benchmark}
    config["ablations"] = shared


def ask_at_ratios(config: dict) -> None:
    """Adds variants that ask the reducers' models at other ratios than their own.

    BadInput where a variant is none that can be asked so, or the first none to compare with.
    """
    reducers, known = config["reducers"], config["variants"]
    for place, name in enumerate(reducers["variants"]):
        if name == BASE and place:
            continue
        if name not in known:
            raise BadInput(f"config: reducers.variants: no variant {name!r}")
        own = known[name]
        if own["model"]:
            raise BadInput(f"config: reducers.variants: {name!r} asks another's model: name that")
        if not place and own["ratio"] not in reducers["ratios"]:
            raise BadInput(f"config: reducers.ratios: {own['ratio']:g} is that of {name!r}, which "
                           "the others are compared with: add it")  # fmt: skip
        seeds = [*own["seeds"], *own["more_seeds"]][: reducers["seeds"]]
        for ratio in reducers["ratios"] if own["sampler"] != "none" else ():
            if ratio != own["ratio"]:
                another = {"model": name, "ratio": ratio, "main": False, "seeds": seeds}
                known.setdefault(at_ratio(name, ratio), own | another | {"more_seeds": []})


def check_rows(place: str, ablation: dict) -> None:
    """BadInput where a label, a published row or a claim names none of an ablation's variants."""
    published = ablation["published"] or {"rows": {}}
    named = [("labels", name) for name in ablation["labels"]]
    named += [("published.rows", name) for name in published["rows"]]
    named += [("claims", claim[key]) for claim in ablation["claims"] for key in ("better", "worse")]
    for key, name in named:
        if name not in ablation["variants"]:
            known = ", ".join(ablation["variants"])
            raise BadInput(f"{place}.{key}: {name!r} is none of its variants: {known}")
