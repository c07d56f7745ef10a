# The configuration that holds: of the scale, checked, with all defaults.
import json
import os
import re
import shlex
import sys
import time
from collections import Counter
from functools import cache

from snakemake.exceptions import WorkflowError

from groundvts.config import checked
from groundvts.data.validate import check_policy
from groundvts.errors import BadInput
from groundvts.expected import expectation, job_kind
from groundvts.launcher import Launcher
from groundvts.numerics import PORTABLE
from groundvts.preflight.needs import places_read
from groundvts.prompts import Prompts
from groundvts.records import code_hash, fingerprint, made_with
from groundvts.report.captions import titled
from groundvts.runs import (
    BASE,
    CONSTANT,
    MAIN_BENCHMARK,
    STAGES,
    asked,
    base_by_seed,
    of_backbone,
    runs,
    stage_settings,
    trainers,
)
from groundvts.scales import (
    DOWNLOADS,
    Checkpoint,
    annotation_files,
    at_rate,
    base_checkpoint,
    check_sources,
    downloaded,
    effective,
    folder_of,
    frames_name,
    frames_of,
    released_checkpoint,
)
from groundvts.yaml_files import check_configurations

if not os.access(os.path.join(os.path.expanduser("~"), ""), os.W_OK):  # as in a container
    home = Path(".snakemake/home").resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(HOME=str(home))

try:  # before Snakemake reads them: it takes the last of two keys, and writes all aliases out
    check_configurations("config.yaml", *workflow.config_settings.configfiles)
except BadInput as error:
    sys.exit(f"groundvts: {error}")


configfile: "config.yaml"


try:
    scales = Path(workflow.basedir, "workflow", "scales")
    config = effective(config, workflow.config_settings.overwrite_config, scales)
    config = checked(config, workflow.source_path("../schemas/config.schema.json"))
    for policy in config["policy"].values():
        check_policy(policy)
    check_sources(config)
    TEMPLATES = Prompts.load(config["prompts"]["set"], config["prompts"]["file"]).templates
except BadInput as error:
    sys.exit(f"groundvts: {error}")

if config["numerics"] == "portable":
    shell.prefix("".join(f"export {key}={shlex.quote(value)}; " for key, value in PORTABLE.items()))

TOY = config["scale"] == "toy"
R = f"results/{config['scale']}"
