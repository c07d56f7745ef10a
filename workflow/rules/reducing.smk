# Who is asked where ways to reduce tokens are compared.

from groundvts.runs import at_ratio

REDUCERS = config["reducers"]
CHOOSING = ["models/pruning", "models/reduced", "models/vts_config"]
CHOOSING += sorted(
    f"models/samplers/{p.stem}" for p in Path(LIBRARY, "models/samplers").glob("*.py")
)


def reducing(ratio):
    """Runs of the compared variants at a ratio; the base has none."""
    names = []
    for variant in REDUCERS["variants"]:
        own = config["variants"][variant]
        same = own["model"] == BASE or own["sampler"] == "none" or own["ratio"] == ratio
        asked = variant if same else at_ratio(variant, ratio)
        found = [run for run in RUNS if RUNS[run].variant == asked]
        names += found[: REDUCERS["seeds"]]
    return names


# (ratio, benchmark): what is asked; cases at the ratio that the first variant is trained with.
OWN_RATIO = [config["variants"][name]["ratio"] for name in REDUCERS["variants"][:1]]
REDUCED = {
    (f"{ratio:g}", name): reducing(ratio)
    for ratios, names in (
        (REDUCERS["ratios"], REDUCERS["benchmarks"]),
        (OWN_RATIO, REDUCERS["cases"]),
    )
    for ratio in ratios
    for name in names
}
REDUCED_RUNS = list(dict.fromkeys(run for runs in REDUCED.values() for run in runs))
REDUCERS_COMPARED = [f"{R}/reducers/{ratio}/{name}.json" for ratio, name in REDUCED]
REDUCERS_TIMED = [f"{R}/benchmarks/reducers-{name}.json" for name in ("qwen", "internvl")]


def reduced_from(name):
    """The variant whose model a run asks, and whether it was trained."""
    asked = RUNS.get(RUNS[name].model, RUNS[name])
    return {"asks": asked.variant, "trained": bool(asked.stages)}
