# What all rules share: the checked configuration, the runs, and settings as one shell word.

try:
    config = checked(config, workflow.source_path("../schemas/config.schema.json"))
except BadInput as error:
    sys.exit(f"groundvts: {error}")

if config["scale"] != "toy":
    sys.exit("groundvts: config: scale: only toy has rules so far: see the README, paper scale")

R = f"results/{config['scale']}"
ENV = "../../envs/groundvts.yaml"
RUNS = {run.name: run for run in runs(config)}
MAIN = [name for name, run in RUNS.items() if run.main]
SPLITS = ["pretrain", "train", "val", "test"]
STAGES = list(config["stages"])
NOTEBOOKS = ["training", "results", "tokens"]
LIBRARY = "src/groundvts"
PROMPTS = {"prompts_file": config["prompts"]["file"]}
TEMPLATES = config["prompts"]["file"] or f"{LIBRARY}/data/prompts.yaml"

SCORES = expand(f"{R}/scores/{{run}}/charades_sta.json", run=["constant", "base", *MAIN])
TOKENS = expand(f"{R}/scores/{{run}}/tokens.json", run=MAIN)
TRAINED = expand(f"{R}/stages/{{run}}/{{stage}}", run=MAIN, stage=STAGES)
SHOWN = [run for run in MAIN if RUNS[run].vts["sampler"] == "vts"][:1] or MAIN[:1]


wildcard_constraints:
    split="|".join(SPLITS),
    run="|".join(map(re.escape, ["constant", "base", *RUNS])),
    stage="|".join(STAGES),


def settings(*keys, **more):
    """Sections of the configuration and further settings, as JSON for a verb's --settings."""
    return json.dumps({**{key: config[key] for key in keys}, **more}, sort_keys=True)


def base_model():
    """The base: made by a rule at toy scale, otherwise the user's folder or hub id."""
    return f"{R}/base" if config["scale"] == "toy" else config["base"]


def previous_stage(wildcards):
    """The stage before, whose adapter this stage starts from."""
    place = STAGES.index(wildcards.stage)
    return f"{R}/stages/{wildcards.run}/{STAGES[place - 1]}" if place else []


def stage_conversations(wildcards):
    return f"{R}/data/conversations/{config['stages'][wildcards.stage]['data']}_train.jsonl"


def run_settings(wildcards, *keys, **more):
    """Settings of a run: its sampling module, its seed and what else is named."""
    run = RUNS[wildcards.run]
    vts = {**run.vts, "seed": run.seed}
    return settings("protocol", *keys, vts=vts, seed=run.seed, **PROMPTS, **more)


def run_seed(name):
    return RUNS[name].seed if name in RUNS else config["seed"]


def model_of(wildcards):
    return base_model() if wildcards.run == "base" else f"{R}/merged/{wildcards.run}"


def notebook_inputs(wildcards):
    """The records a notebook draws from."""
    return {
        "training": [*TRAINED, *TOKENS, f"{R}/base"],
        "results": [*SCORES, *TOKENS, f"{R}/base", "workflow/published/charades_sta.csv"],
        "tokens": [
            *expand(f"{R}/predictions/{{run}}/charades_sta.jsonl", run=SHOWN),
            *expand(f"{R}/scores/{{run}}/charades_sta.json", run=SHOWN),
            f"{R}/data/charades_sta/test/moments.jsonl",
            f"{R}/frames/test",
        ],
    }[wildcards.name]
