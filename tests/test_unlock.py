"""workflow/unlock.py tells a living Snakemake from a stale lock."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("unlock", ROOT / "workflow" / "unlock.py")
unlock = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(unlock)


def process(proc: Path, pid: int, arguments: list[str], cwd: Path) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes("\0".join(arguments).encode())
    (folder / "cwd").symlink_to(cwd)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    return tmp_path / "proc"


def test_snakemake_in_the_folder_holds_it(proc: Path, tmp_path: Path):
    process(proc, 7, ["python", "/venv/bin/snakemake", "--cores", "all"], tmp_path)
    process(proc, 8, ["python", "-m", "snakemake"], tmp_path)
    assert sorted(unlock.holders(tmp_path, proc)) == [7, 8]


def test_other_folders_and_other_programs_do_not(proc: Path, tmp_path: Path):
    process(proc, 7, ["python", "/venv/bin/snakemake"], tmp_path / "elsewhere")
    process(proc, 8, ["less", "snakemake.log"], tmp_path)
    assert unlock.holders(tmp_path, proc) == []


def test_without_proc_nothing_is_known(tmp_path: Path):
    assert unlock.holders(tmp_path, tmp_path / "nowhere") is None


@pytest.mark.parametrize(("living", "words"), [([7], "process 7"), (None, "no /proc")])
def test_a_held_folder_stays_locked(tmp_path, monkeypatch, capsys, living, words):
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(unlock, "holders", lambda root: living)
    assert unlock.main() == 1
    assert words in capsys.readouterr().err


def test_an_unlocked_folder_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert unlock.main() == 0
