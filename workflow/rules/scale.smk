# What the rules need to know of a scale: its checkpoints, downloads and frames, and what waits
# for the check before hours are spent.

DOWNLOADED = config["downloads"]
NAMED = [r for r in RUNS.values() if config["backbones"][r.backbone]["checkpoint"]]
RELEASED = {name: run.released for name, run in RUNS.items() if run.released}
CHECKPOINTS = [base_checkpoint(config, run.backbone, run.seed) for run in NAMED]
CHECKPOINTS += [released_checkpoint(released) for released in RELEASED.values()]
MODELS = {one.name: one for one in CHECKPOINTS if isinstance(one, Checkpoint)}
NEEDED = {} if TOY else places_read(config)
READ = SPLITS if TOY else NEEDED.get(config["backbone"], [])
CONVERTED = dict.fromkeys(place for places in NEEDED.values() for place in places)
PREFLIGHT = [] if TOY else ancient(f"{R}/preflight.json")


def any_of(names):
    """A pattern that fits any of the names."""
    return "|".join(map(re.escape, names)) or "none"


def looked_at(wildcards):
    """Option that looks for a split's videos: at other scales than toy preflight does that."""
    asked = "unknown_video" in config["policy"].get(wildcards.split, {})
    videos = BENCHMARKS[wildcards.benchmark]["videos"]
    return f" --videos {shlex.quote(videos)}" if TOY or asked else ""


def tower_frames(wildcards):
    """Frames that a backbone's vision tower looks at."""
    name = frames_name(config, *reading(TOWERS[wildcards.tower]))
    return f"{R}/{name}/{wildcards.benchmark}/{wildcards.split}"
