"""An HTTP server on localhost that misbehaves as told, and an imitation of the hub's API."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Site:
    """What is served: `files` by path. By path too: `statuses` that are answered first, `cut` (one
    answer ends after so many bytes), `always` (each does), `stalls` (it never ends), `wrong` (one
    partial answer's headers). `asked` lists (path, Range)."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, list[int]] = {}
        self.cut: dict[str, int] = {}
        self.always: dict[str, int] = {}
        self.stalls: dict[str, int] = {}
        self.wrong: dict[str, dict[str, str]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.stopped = threading.Event()
        self.url = ""

    def tag(self, content: bytes) -> str:
        return f'"{hashlib.sha256(content).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    """Answers as its server's `site` says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        site, path = self.server.site, urlsplit(self.path).path
        asked = self.headers.get("Range")
        site.asked.append((path, asked))
        if site.statuses.get(path):
            return self.send(site.statuses[path].pop(0), b"no", {}, body)
        if path not in site.files:
            return self.send(404, b'{"error": "no"}', site.missing(path), body)
        content = site.files[path]
        headers = {"ETag": site.tag(content), "Accept-Ranges": "bytes", **site.headers(path)}
        valid = self.headers.get("If-Range", site.tag(content)) == site.tag(content)
        if asked and site.ranges and valid:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                return self.send(416, b"", {}, body)
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers |= site.wrong.pop(path, {})
            return self.send(206, content[start:], headers, body)
        return self.send(200, content, headers, body)

    def send(self, status: int, content: bytes, headers: dict, body: bool) -> None:
        site, path = self.server.site, urlsplit(self.path).path
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        stays = site.always.get(path, site.stalls.get(path))
        short = site.cut.pop(path, stays) if status < 300 else None
        self.wfile.write(content[:short])
        self.wfile.flush()
        if path in site.stalls:
            site.stopped.wait(20)
        if short is not None:
            self.close_connection = True


class PlainSite(Site):
    def headers(self, path: str) -> dict:
        return {}

    missing = headers


class HubSite(Site):
    """The hub's API for one model: its revisions, its files, and where it redirects to."""

    def __init__(self, hub: str, files: dict[str, bytes], commit: str = "c" * 40) -> None:
        super().__init__()
        self.hub, self.commit = hub, commit
        siblings = [
            {"rfilename": name, "size": len(content), "blobId": "b" * 40}
            | ({"lfs": self.lfs(content)} if name.endswith(".safetensors") else {})
            for name, content in files.items()
        ]
        about = {"id": hub, "sha": commit, "siblings": siblings, "private": False, "tags": []}
        for revision in ("main", commit):
            api = f"/api/models/{hub}/revision/{revision}"
            self.files[api] = json.dumps(about).encode()
        tree = [
            {"type": "file", "path": one["rfilename"], "size": one["size"], "oid": "b" * 40}
            | ({"lfs": {**one["lfs"], "oid": one["lfs"]["sha256"]}} if "lfs" in one else {})
            for one in siblings
        ]
        self.files[f"/api/models/{hub}/tree/{commit}"] = json.dumps(tree).encode()
        for name, content in files.items():
            self.files[f"/{hub}/resolve/{commit}/{name}"] = content

    def lfs(self, content: bytes) -> dict:
        size = len(content)
        return {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 130}

    def headers(self, path: str) -> dict:
        if "/resolve/" not in path:
            return {"Content-Type": "application/json"}
        size = str(len(self.files[path]))
        return {"X-Repo-Commit": self.commit, "X-Linked-Size": size}

    def missing(self, path: str) -> dict:
        if path.startswith(f"/api/models/{self.hub}/revision/"):
            return {"X-Error-Code": "RevisionNotFound"}
        return {"X-Error-Code": "RepoNotFound"}


@contextmanager
def serving(site: Site):
    """Serves `site` while it lasts; `site.url` is where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.site = True, site
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
