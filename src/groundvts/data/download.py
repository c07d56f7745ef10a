"""Download one published file: resumed where it broke off, checked, and there whole or not at all.

Notable: what has come so far lies beside the file (`.part`), with the server's mark of its version,
so that a later try, or a later run, goes on from there and never joins two versions.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

from groundvts.data.files import read_bytes, replaceable
from groundvts.errors import BadInput, RunFailed
from groundvts.escape import log
from groundvts.progress import Progress
from groundvts.records import hash_path, write_json

TRIES = 5  # that bring hardly more than ever before
TIMEOUT_S = 60
CHUNK = 1 << 20
HUB = "https://huggingface.co"
PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that a later try may not meet


@dataclass(frozen=True)
class Source:
    """Where a file is published: `member` of the zip at `url`, or what is there itself.

    `sha256` and `bytes` are the file's; what is None is not checked.
    """

    url: str
    member: str | None = None
    sha256: str | None = None
    bytes: int | None = None


class Broken(Exception):
    """The transfer broke off, for a reason that may pass."""


def download(source: Source, out: Path, timeout_s: float = TIMEOUT_S, pause_s: float = 2) -> dict:
    """Writes the file to `out`; returns its `url`, `bytes`, `sha256` and where it was `resumed`.

    Raises BadInput where the server has no such file, or another than `source` says, and RunFailed
    where it cannot be reached, stalls for `timeout_s`, or breaks off again and again.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    url = _mirrored(source.url)
    part, about = (out.with_name(out.name + ending) for ending in (".part", ".part.json"))
    replaceable(part, about)
    for clean in (False, True):  # what came in pieces and is wrong is fetched once more in one
        resumed = _fetch(url, part, about, timeout_s, pause_s)
        file = _member(part, source, url) if source.member else part
        found = {"bytes": file.stat().st_size, "sha256": hash_path(file)}
        wrong = [
            f"{key} {found[key]}, expected {wanted}"
            for key, wanted in (("bytes", source.bytes), ("sha256", source.sha256))
            if wanted is not None and found[key] != wanted
        ]
        if not wrong:
            break
        for one in (file, part, about):
            one.unlink(missing_ok=True)
        if clean or not resumed:
            raise BadInput(f"{url}: {', '.join(wrong)}: not the published file: give yours by path")
    os.replace(file, out)
    for one in (part, about):
        one.unlink(missing_ok=True)
    return {"url": url, "member": source.member, **found, "resumed": resumed}


def _mirrored(url: str) -> str:
    """The URL at the hub's mirror that HF_ENDPOINT names, where it is one of the hub."""
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return mirror + url.removeprefix(HUB) if mirror and url.startswith(f"{HUB}/") else url


def _fetch(url: str, part: Path, about: Path, timeout_s: float, pause_s: float) -> int:
    """Fetches all of `url` into `part`; returns the bytes that an earlier try or run had left."""
    left = most = _had(url, part, about)
    tries = 0
    while True:
        had = _had(url, part, about)
        try:
            _transfer(url, part, about, had, timeout_s)
            return left
        except Broken as broken:
            come = part.stat().st_size if part.exists() else 0
            tries, most = (1, come) if come > most + CHUNK else (tries + 1, most)
            if tries >= TRIES:
                raise RunFailed(f"{url}: {broken}: tried {tries} times: run it again") from None
            log(f"{url}: {broken}: trying again")
            time.sleep(pause_s * tries)


def _had(url: str, part: Path, about: Path) -> int:
    """Bytes of `url` that are there already: 0 where they are another version's, or of unknown."""
    try:
        known = json.loads(read_bytes(about))
        if known["url"] == url and known["version"]:
            return part.stat().st_size
    except (BadInput, OSError, ValueError, LookupError, TypeError):
        pass
    return 0


def _transfer(url: str, part: Path, about: Path, had: int, timeout_s: float) -> None:
    """One try: appends to `part` what lacks, or begins anew; Broken where it did not come whole."""
    headers = {"User-Agent": "groundvts", "Accept-Encoding": "identity"}
    known = None
    if had:
        known = json.loads(read_bytes(about))["version"]
        headers |= {"Range": f"bytes={had}-", "If-Range": known}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            version = None if version and version.startswith("W/") else version
            place = answer.headers.get("Content-Range", "")
            goes_on = version == known and place.startswith(f"bytes {had}-")
            if answer.status != 206 or not goes_on:
                part.unlink(missing_ok=True)  # before `about` names another version
                had = 0
            if answer.status == 206 and not goes_on:
                raise Broken("another part came than was asked for")
            length = answer.headers.get("Content-Length")
            total = had + int(length) if length and length.isdecimal() else None
            write_json(about, {"url": url, "version": version})
            _receive(answer, part, had, total, url)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # all of it was there, or it has become shorter
            part.unlink(missing_ok=True)
            raise Broken("what was there is not a part of it") from None
        if error.code in PASSING:
            raise Broken(f"HTTP {error.code} {error.reason}") from None
        remedy = "correct its URL in downloads or give the file by path"
        raise BadInput(f"{url}: HTTP {error.code} {error.reason}: {remedy}") from None
    except TimeoutError:
        raise Broken(f"no answer for {timeout_s:g} s") from None
    except urllib.error.URLError as error:
        raise Broken(f"cannot be reached ({error.reason})") from None
    except (http.client.HTTPException, ConnectionError) as error:
        raise Broken(f"broke off ({type(error).__name__})") from None


def _receive(answer, part: Path, had: int, total: int | None, url: str) -> None:
    """Writes the answer's body behind the first `had` bytes of `part`."""
    label = url.rsplit("/", 1)[-1]
    progress = Progress(label, (total or 0) // 1_000_000, "MB", had // 1_000_000)
    done = had
    with open(part, "r+b" if had else "wb") as file:
        file.seek(had)
        file.truncate()
        while chunk := answer.read1(CHUNK):
            file.write(chunk)
            progress.update((done + len(chunk)) // 1_000_000 - done // 1_000_000)
            done += len(chunk)
    progress.close()
    if total is not None and done < total:
        raise Broken(f"broke off after {done:,} of {total:,} bytes")


def _member(archive: Path, source: Source, url: str) -> Path:
    """Unpacks one member of a zip beside it; BadInput where it has none of that name."""
    file = archive.with_name(archive.name + ".member")
    try:
        with zipfile.ZipFile(archive) as opened, open(file, "wb") as written:
            size = opened.getinfo(source.member).file_size
            with opened.open(source.member) as member:
                while chunk := member.read(CHUNK):
                    written.write(chunk)
                    if written.tell() > size:
                        raise zipfile.BadZipFile("larger than it says")
    except KeyError:
        raise BadInput(f"{url}: holds no {source.member}: correct member in downloads") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink()
        raise BadInput(f"{url}: cannot be unpacked ({error}): correct its URL") from None
    return file
