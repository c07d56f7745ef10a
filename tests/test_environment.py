"""The pinned environments agree, and the lock can be installed by anybody."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
PYTHON_311 = {"python_version": "3.11", "python_full_version": "3.11.9"}


def requirements(path: Path) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def pins() -> dict[str, str]:
    """Version of every package that the lock gives to Python 3.11 on this platform."""
    chosen = [r for r in requirements(LOCK) if r.marker is None or r.marker.evaluate(PYTHON_311)]
    return {canonicalize_name(r.name): str(r.specifier) for r in chosen}


def conda_pins() -> dict[str, str]:
    document = yaml.safe_load((ROOT / "envs" / "groundvts.yaml").read_text())
    assert "python=3.11" in document["dependencies"]
    (pip,) = (entry["pip"] for entry in document["dependencies"] if isinstance(entry, dict))
    found = [Requirement(line) for line in pip]
    return {canonicalize_name(r.name): str(r.specifier) for r in found}


def test_conda_environment_pins_equal_the_lock():
    locked = pins()
    assert conda_pins() == {name: locked[name] for name in conda_pins()}


def test_conda_environment_holds_every_direct_dependency():
    direct = {canonicalize_name(r.name) for r in requirements(ROOT / "requirements.in")}
    assert set(conda_pins()) == direct


def test_every_locked_package_is_pinned_exactly():
    assert all(re.fullmatch(r"==[^,*]+", str(r.specifier)) for r in requirements(LOCK))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"^torchvision", "breaks transformers beside a CPU build of torch"),
        (r"^nvidia-", "torch's own metadata pins them where they are needed"),
        (r"://|@", "an address only this machine may reach"),
        (r"==[^ ;]*\+", "a local version nobody else can install"),
    ],
)
def test_lock_is_free_of(pattern: str, why: str):
    found = re.findall(pattern, LOCK.read_text(), flags=re.MULTILINE)
    assert not found, why


def test_the_demo_s_lock_adds_to_the_lock_and_changes_nothing_of_it():
    demo = requirements(ROOT / "requirements-demo.lock")
    assert all(re.fullmatch(r"==[^,*+]+", str(r.specifier)) for r in demo)
    assert "gradio" in {r.name for r in demo}
    assert not {canonicalize_name(r.name) for r in demo} & pins().keys()


def test_platform_bound_packages_carry_their_marker():
    markers = {canonicalize_name(r.name): str(r.marker) for r in requirements(LOCK)}
    assert "platform_machine" in markers["decord"]
    assert "sys_platform" in markers["deepspeed"]


def deploy(folder: Path, tmp_path: Path) -> subprocess.CompletedProcess:
    """Runs a copy of the post-deploy script in `folder`, as Snakemake does; `python` is an echo."""
    script = shutil.copy(ROOT / "envs" / "groundvts.post-deploy.sh", tmp_path / "copy.sh")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    path = os.pathsep.join((str(python.parent), os.environ["PATH"]))
    words, environment = ["bash", str(script)], {**os.environ, "PATH": path}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_post_deploy_script_installs_the_checkout(tmp_path):
    done = deploy(ROOT, tmp_path)
    assert done.stdout == "-m pip install --no-deps --editable .\n", done.stderr


def test_the_post_deploy_script_refuses_any_other_folder(tmp_path):
    refused = deploy(tmp_path, tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "not the checkout" in refused.stderr
