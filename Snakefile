# GroundVTS, reproduced: data, three stages of training, merge, inference, scores, report.
#   snakemake --cores all                the main job
#   snakemake --cores all data|train|evaluate|ablations|efficiency|cards|report
import json
import os
import re
import shlex
import sys
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from groundvts.config import (
    MAIN_BENCHMARK,
    STAGES,
    asked,
    checked,
    of_backbone,
    runs,
    stage_settings,
    untrained,
)
from groundvts.data.validate import check_policy
from groundvts.errors import BadInput
from groundvts.launcher import Launcher
from groundvts.preflight.needs import places_read
from groundvts.prompts import Prompts
from groundvts.records import code_hash, made_with
from groundvts.scales import (
    DOWNLOADS,
    Checkpoint,
    annotation_files,
    base_checkpoint,
    check_sources,
    downloaded,
    effective,
    folder_of,
    frames_name,
    frames_of,
    released_checkpoint,
)

min_version("9.0")


configfile: "config.yaml"


include: "workflow/rules/caching.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/scale.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/efficiency.smk"


localrules:
    all,
    data,
    train,
    evaluate,
    ablations,
    efficiency,
    cards,
    report,


rule all:
    default_target: True
    input:
        f"{R}/index.html",
        REREAD,
        expand(f"{R}/notebooks/{{name}}.html", name=NOTEBOOKS),


rule data:
    input:
        f"{R}/notebooks/data.html",
        f"{R}/data/llamafactory",


rule train:
    input:
        expand(f"{R}/merged/{{run}}", run=MAIN),


rule evaluate:
    input:
        SCORES,
        COMPARISONS,
        PROTOCOLS,
        REREAD,
        TOKENS,


rule ablations:
    input:
        expand(f"{R}/ablations/{{ablation}}/comparisons.json", ablation=config["ablations"]),
        f"{R}/notebooks/ablations.html" if TOY else [],


rule efficiency:
    input:
        MEASURED,
        f"{R}/notebooks/efficiency.html",


rule cards:
    input:
        expand(f"{R}/cards/{{run}}.md", run=MAIN),


rule report:
    input:
        rules.all.input,
