# What all rules share: the checked configuration, the runs, and settings as one shell word.

try:
    config = checked(config, workflow.source_path("../schemas/config.schema.json"))
except BadInput as error:
    sys.exit(f"groundvts: {error}")

R = f"results/{config['scale']}"
ENV = "../../envs/groundvts.yaml"
RUNS = {run.name: run for run in runs(config) if run.main}
SPLITS = ["pretrain", "train", "val", "test"]
STAGES = list(config["stages"])
NOTEBOOKS = ["training", "results", "tokens"]
LIBRARY = "src/groundvts"


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
