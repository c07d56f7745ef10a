"""Download a model of the Hugging Face hub: one revision, every file checked, all or nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from groundvts.data.files import replaceable
from groundvts.errors import BadInput, RunFailed
from groundvts.escape import log
from groundvts.records import hash_path

WANTED = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "README.md")
# never code, never pickles
TRIES = 3


def download_model(
    hub: str,
    revision: str,
    out: Path,
    folder: str | None = None,
    endpoint: str | None = None,
    pause_s: float = 5,
) -> dict[str, Any]:
    """Writes a repository's model, or that of its `folder`, to the folder `out`.

    Returns `hub`, `revision` (the commit), `folder`, and `bytes` and `sha256` of every file, the
    latter where the hub knows it. What has come so far stays in `out`.part and is gone on with.
    `endpoint` is a mirror of the hub (None: HF_ENDPOINT, or the hub). Raises BadInput where hub,
    revision or folder is not there, or not for this user, or `out` is a folder that no download's
    record beside names, and RunFailed where the hub cannot be reached or what came is not what it
    announced.
    """
    replaceable(out, out.with_name(out.name + ".record.json"))
    endpoint = endpoint or os.environ.get("HF_ENDPOINT")
    place = f"{hub}, revision {revision}"
    partial = out.with_name(out.name + ".part")
    replaceable(partial, partial / ".cache")
    for number in range(1, TRIES + 1):
        try:
            with _one_line(place):
                commit, files = _fetch(hub, revision, folder, partial, endpoint, place)
            break
        except RunFailed as error:
            if number == TRIES:
                raise
            log(f"{error}: trying again")
            time.sleep(pause_s * number)
    found = {name: _checked(partial / name, file, place) for name, file in files.items()}
    shutil.rmtree(partial / ".cache", ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    (partial / folder if folder else partial).rename(out)
    shutil.rmtree(partial, ignore_errors=True)
    return {"hub": hub, "revision": commit, "folder": folder, "files": found}


def _fetch(
    hub: str, revision: str, folder: str | None, out: Path, endpoint: str | None, place: str
) -> tuple[str, dict[str, Any]]:
    """One try: fetches what is wanted of a revision; its commit, and what the hub says of files."""
    from huggingface_hub import HfApi, snapshot_download

    api = HfApi(endpoint=endpoint)
    info = api.repo_info(hub, revision=revision, files_metadata=True, timeout=60)
    files = _files(info.siblings, folder, place)
    snapshot_download(
        hub,
        revision=info.sha,
        local_dir=out,
        allow_patterns=list(files),
        endpoint=endpoint,
        etag_timeout=60,
    )
    return info.sha, files


def _files(siblings: list, folder: str | None, place: str) -> dict[str, Any]:
    """What is wanted of a repository's files; BadInput where it holds no model there."""
    inside = f"{folder}/" if folder else ""
    files = {}
    for one in siblings:
        name = one.rfilename.removeprefix(inside) if one.rfilename.startswith(inside) else "/"
        if "/" not in name and any(fnmatch(name, pattern) for pattern in WANTED):
            files[one.rfilename] = one
    if not any(fnmatch(name, "*.safetensors") for name in files):
        held = {one.rfilename.rsplit("/", 1)[0] for one in siblings if "/" in one.rfilename}
        there = f"; its folders are {', '.join(sorted(held))}" if held else ""
        where = f"folder {folder}" if folder else "the repository itself"
        raise BadInput(f"{place}: {where} holds no safetensors{there}: name the model's folder")
    return files


def _checked(file: Path, announced, place: str) -> dict[str, Any]:
    """Size and checksum of a downloaded file, which are those the hub announced."""
    size, digest = file.stat().st_size, None if announced.lfs is None else hash_path(file)
    for found, wanted in ((size, announced.size), (digest, announced.lfs and announced.lfs.sha256)):
        if wanted is not None and found != wanted:
            file.unlink()
            raise RunFailed(
                f"{place}: {announced.rfilename} is not what the hub announced: run it again"
            )
    return {"bytes": size, "sha256": digest}


@contextlib.contextmanager
def _one_line(place: str) -> Iterator[None]:
    """The library's errors in one line: what will not pass is BadInput, all else RunFailed."""
    from huggingface_hub import errors

    try:
        yield
    except BadInput:
        raise
    except errors.GatedRepoError:
        raise BadInput(f"{place}: is gated: ask for access there and set HF_TOKEN") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise BadInput(f"{place}: no such model, or not yours to see: correct its id") from None
    except errors.RevisionNotFoundError:
        raise BadInput(f"{place}: no such revision: name a commit, tag or branch") from None
    except Exception as error:  # of the network, under it or of the disk: some pass
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise RunFailed(f"{place}: the hub's files do not come ({reason})") from None
