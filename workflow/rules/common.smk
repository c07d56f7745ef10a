# What all rules share: the runs, what is asked, and settings as one shell word.

CACHE = config["cache"] | {"folder": config["cache"]["folder"] or SHARED or "results/cache"}
LAUNCHER = Launcher(**config["launcher"])
ENV = "../../envs/groundvts.yaml"
RUNS = {run.name: run for run in runs(config)}
MAIN = [name for name, run in RUNS.items() if run.main]
BENCHMARKS = config["benchmarks"]
PLACES = [f"{name}/{split}" for name, one in BENCHMARKS.items() for split in one["splits"]]
SPLITS = [f"{name}/{s}" for name, one in BENCHMARKS.items() if one["main"] for s in one["splits"]]
TESTS = {name: f"{name}/{one['test']}" for name, one in BENCHMARKS.items()}
MADE_RUNS = [name for name in MAIN if RUNS[name].model is None]  # each has a merged folder
TRAINED_RUNS = [name for name in MADE_RUNS if RUNS[name].trains]
TRAINERS = trainers(config)
TRAINING = sorted(
    {
        name
        for run in TRAINED_RUNS
        for stage in RUNS[run].stages
        for name in stage_settings(config, RUNS[run], stage)["data"]
    }
)
NOTEBOOKS = ["data", *(["training"] if TRAINED_RUNS else [])]
NOTEBOOKS += ["results", "benchmarks", "protocols", "tokens"]
FURTHER = [
    "efficiency",
    *(["ablations"] if config["ablations"] else []),
    *(["reducers"] if config["reducers"]["variants"] else []),
]  # notebooks of the targets of these names
CASE_VIDEOS = f"{R}/cases/videos"
MADE_VIDEOS = {f"{R}/benchmark/videos", CASE_VIDEOS}
LIBRARY = "src/groundvts"
DECODER = re.search(r"^READING = (\d+)", Path(f"{LIBRARY}/data/frames.py").read_text(), re.M)[1]
CONVERTING = ["checks", "convert", "documents", "durations", "entry", "files", "folder"]
CONVERTING += ["moment", "validate"]
READING = ["answers", "answer_parts", "answer_intervals", "answer_times"]
READING += ["official_answers"]
CACHE_FOLDER = shlex.quote(CACHE["folder"]).replace("{", "{{").replace("}", "}}")
CACHE_OPTIONS = f"--cache {CACHE_FOLDER} --timeout {CACHE['timeout']}"
if CACHE["limit_gb"] is not None:
    CACHE_OPTIONS += f" --limit-gb {CACHE['limit_gb']}"
SHARDS = config["inference"]["shards"]
PROMPTS = {"prompts_file": config["prompts"]["file"], "prompts_set": config["prompts"]["set"]}


def reading(run):
    """A run's backbone and frame rate: how it reads a video."""
    return RUNS[run].backbone, RUNS[run].fps


def looking(run):
    """What a run's vision tower is and looks at: backbone, frame rate, and seed of its base."""
    backbone, fps = reading(run)
    return backbone, fps, RUNS[run].seed if base_by_seed(config, backbone) else None


def features_name(backbone, fps, seed):
    name = at_rate(of_backbone("features", backbone, config), fps)
    return name if seed is None else f"{name}-s{seed}"


ASKED = asked(config)
FRAMES = {frames_name(config, *way): way for way in reversed(dict.fromkeys(map(reading, RUNS)))}
TOWERS = {features_name(*looking(run)): run for run in RUNS}
SCORES = [f"{R}/scores/{run}/{name}.json" for name, asked in ASKED.items() for run in asked]
COMPARISONS = expand(f"{R}/comparisons/{{benchmark}}.json", benchmark=ASKED)
TOKENS = expand(f"{R}/scores/{{run}}/tokens.json", run=MADE_RUNS) if TOY else []
TRAINED = dict.fromkeys(
    f"{R}/stages/{TRAINERS[run, stage]}/{stage}"
    for run in TRAINED_RUNS
    for stage in RUNS[run].stages
)
BESIDE = [run for run in MAIN if RUNS[run].vts["sampler"] in ("random", "uniform")]
SHOWN = [run for run in MAIN if RUNS[run].vts["sampler"] == "vts"][:1] or MAIN[:1]
PROTOCOLS = [
    f"{R}/protocols/{run}/{name}.json"
    for name, asked in ASKED.items()
    for run in SHOWN
    if run in asked
]


wildcard_constraints:
    sampled="|".join(map(re.escape, FRAMES)),
    tower="|".join(map(re.escape, TOWERS)),
    benchmark="|".join(map(re.escape, BENCHMARKS)),
    split="[a-z0-9_]+",
    run="|".join(map(re.escape, [CONSTANT, *RUNS])),
    stage="|".join(STAGES),
    ablation="|".join(config["ablations"]) or "none",


def settings(*keys, **more):
    """Sections of the configuration and further settings, as JSON for a verb's --settings."""
    return json.dumps({**{key: config[key] for key in keys}, **more}, sort_keys=True)


def moments(place):
    """The moments of `benchmark/split`."""
    return f"{R}/data/{place}/moments.jsonl"


def source(place, run):
    """What a run sees of `benchmark/split`: the tower's features, or frames where they are off."""
    features = config["features"]
    name = features_name(*looking(run)) if features else frames_name(config, *reading(run))
    return f"{R}/{name}/{place}"


def published(key):
    """A function that gives the published file of a benchmark's split, or none."""

    def file(wildcards):
        if f"{wildcards.benchmark}/{wildcards.split}" not in PLACES:
            raise WorkflowError(f"{wildcards.benchmark} has no split {wildcards.split}")
        named = BENCHMARKS[wildcards.benchmark][key] or []
        named = [named] if isinstance(named, str) else named
        return [path.replace("{split}", wildcards.split) for path in named]

    return file


def layout(wildcards):
    """Layout of a benchmark's annotations: the one published under its name, or another."""
    return BENCHMARKS[wildcards.benchmark]["format"] or wildcards.benchmark


def converter(wildcards):
    """What the modules do that convert a benchmark."""
    reader = layout(wildcards).replace("moments", "own")
    return code(*(f"data/{module}" for module in [*CONVERTING, reader]))


def metrics(*names):
    """Modules that score; cheap enough to run again whenever one of them is edited."""
    return [f"{LIBRARY}/metrics/{name}.py" for name in names]


def code(*modules):
    """What modules of the library do: a rule with this parameter reruns when that changes."""
    return code_hash(f"{LIBRARY}/{module}.py" for module in modules)


def others(wildcards):
    """Moments of a benchmark's other splits, where the policy asks for videos that are in both."""
    if config["policy"].get(wildcards.split, {}).get("overlap", "keep") == "keep":
        return []
    splits = BENCHMARKS[wildcards.benchmark]["splits"]
    return [moments(f"{wildcards.benchmark}/{s}") for s in splits if s != wildcards.split]


def dated_ahead(jobs):
    """Files that jobs read and that are dated in the future, as Snakemake sees them."""
    late = time.time() + 2  # seconds: clocks of file servers differ a little
    return [
        file
        for file in sorted({str(file) for job in jobs for file in job.input})
        for path in (os.path.join(file, ".snakemake_timestamp"), file)
        if os.path.lexists(path) and os.lstat(path).st_mtime > late
    ]


def toy_annotations():
    """Annotation files of the configuration that the toy benchmark makes."""
    made = f"{R}/benchmark/annotations/"
    return [file for file in annotation_files(config) if file.startswith(made)]


def made_videos(wildcards):
    """The folder of videos where a rule makes it; a folder of yours is no input of a rule."""
    folder = BENCHMARKS[wildcards.benchmark]["videos"]
    return folder if folder in MADE_VIDEOS else []


def base_model(run):
    """The base of a run: a folder, a download, or at toy scale one that a rule makes."""
    return folder_of(base_checkpoint(config, RUNS[run].backbone, RUNS[run].seed))


def made_base(run):
    """The base, where a rule makes or fetches it; a folder of yours is no input of a rule."""
    named = config["backbones"][RUNS[run].backbone]["checkpoint"]
    start = base_checkpoint(config, RUNS[run].backbone, RUNS[run].seed)
    return [] if named and not isinstance(start, Checkpoint) else base_model(run)


def fitted_on(wildcards):
    """Moments that the constant window is fitted on: of the same benchmark where it has training."""
    place = f"{wildcards.benchmark}/train"
    return moments(place if place in SPLITS else f"{config['stages'][STAGES[-1]]['data'][0]}/train")


def trained_stages(run):
    """Folders of the stages that a run goes through; another may have trained them."""
    return [f"{R}/stages/{TRAINERS[run, stage]}/{stage}" for stage in RUNS[run].stages]


def previous_stage(wildcards):
    """The stage before, whose adapter this stage starts from."""
    place = RUNS[wildcards.run].stages.index(wildcards.stage)
    return trained_stages(wildcards.run)[place - 1] if place else []


def own_stage(wildcards):
    """Settings of a run's stage."""
    return stage_settings(config, RUNS[wildcards.run], wildcards.stage)


def stage_data(wildcards):
    """Conversations that a stage trains on, one file for each benchmark."""
    names = own_stage(wildcards)["data"]
    return [f"{R}/data/conversations/{name}/train.jsonl" for name in names]


def stage_sources(wildcards):
    return [source(f"{name}/train", wildcards.run) for name in own_stage(wildcards)["data"]]


def probe_source(wildcards):
    return source(config["probe"], wildcards.run)


def run_settings(wildcards, *keys, **more):
    """Settings of a run: its sampling module, its seed and what else is named."""
    run = RUNS[wildcards.run]
    vts = {**run.vts, "seed": run.seed}
    return settings("protocol", *keys, vts=vts, seed=run.seed, **PROMPTS, **more)


def ablation_runs(name):
    """Runs of an ablation's variants, in its order."""
    found = {CONSTANT: [CONSTANT]}
    for run in RUNS.values():
        found.setdefault(run.variant, []).append(run.name)
    return [run for variant in config["ablations"][name]["variants"] for run in found[variant]]


def listed(name):
    """What reports need to know of a run: what it is, and where its stages lie."""
    if name == CONSTANT:
        return {"run": name, "variant": name, "seed": None, "label": "Constant window"}
    stages = zip(RUNS[name].stages, trained_stages(name))
    row = RUNS[name].row() | {"base": base_model(name)}
    return row | {"stages": {s: folder.removeprefix(f"{R}/") for s, folder in stages}}


def density(name):
    """Frames per second times the share of tokens that a run keeps; None where it reads no rate."""
    if name == CONSTANT or (frames := frames_of(config, *reading(name)))["count"] is not None:
        return None
    return frames["fps"] * RUNS[name].vts["ratio"]


def variant_of(name):
    return RUNS[name].variant if name in RUNS else name


def model_of(wildcards):
    """The model that a run asks: its own, another run's, or the base."""
    asked = RUNS[wildcards.run].model or wildcards.run
    return base_model(wildcards.run) if asked == BASE else f"{R}/merged/{asked}"


def asking(wildcards):
    """Settings of inference; how the work is shared is none."""
    how = {key: value for key, value in config["inference"].items() if key != "shards"}
    run = RUNS[wildcards.run]
    if run.model in RUNS:
        trained = RUNS[run.model].vts
        how["vts"] = {key: value for key, value in run.vts.items() if value != trained[key]}
    return settings("protocol", seed=run.seed, **PROMPTS, **how)


def captioned(path):
    """An output as Snakemake's report shows it; of a table or figure in several forms, one is shown."""
    place = Path(path).relative_to(R)
    shown = {
        "tables": {"table": titled(place.stem)},
        "figures": {"figure": titled(place.stem)},
        "notebooks": {"notebook": titled(place.stem)},
        "scores": {"run": "{run}", "benchmark": "{benchmark}"},
        "comparisons": {"of": "{benchmark}"},
        "ablations": {"of": "ablation {ablation}"},
        "reducers": {"of": "reducers, {benchmark}, ratio {ratio}"},
    }
    kind = place.parts[0]
    if place.suffix not in (".csv", ".png", ".html", ".json"):
        return path
    kept = "comparisons" if kind in ("ablations", "reducers") else kind
    caption = f"../report/{kept}.rst"
    return report(path, caption=caption, category=kept.capitalize(), labels=shown[kind])


def finished(rule):
    """Whether all that a rule without wildcards reads and makes is there."""
    return all(Path(file).exists() for file in [*rule.input, *rule.output])
