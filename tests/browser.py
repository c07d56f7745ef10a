"""Looks at pages in headless Chromium: `python tests/browser.py results/toy` lists what is wrong.

Of index.html, report.html and notebooks/*.html of a results folder it finds: pages that are not
there, links and anchors that lead nowhere, pictures that are not drawn, errors on the console,
requests to anything but files, and pages wider than a phone.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE = 390  # pixels
PATIENCE = 60  # seconds for a page
LOOK = """document.querySelectorAll('details').forEach(fold => fold.open = true), ({
  broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt || i.src),
  links: [...document.querySelectorAll('a[href], area[href]')].map(a => a.getAttribute('href')),
  ids: [...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name),
  width: document.documentElement.scrollWidth,
})"""
WALK = """(async () => {
  const drawn = async () => {
    await new Promise(done => setTimeout(done, 30));
    for (const image of document.images) await image.decode();
  };
  for (const category in categories) { app.showCategory(category); await drawn(); }
  for (const path in results) {
    app.showResultInfo(path);
    const shown = results[path].mime_type.startsWith('image/') ? 'img' : 'html';
    if (shown == 'img' || path.endsWith('.html'))
      app.setView({content: shown, contentPath: results[path].data_uri});
    await drawn();
  }
  if (!Object.keys(results).length) console.error('the report shows no result');
})()"""  # Snakemake's report: every category, and every result opened
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
ALONE = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
ALONE += ("--disable-dev-shm-usage",)  # small in containers


class Browser:
    """Headless Chromium, spoken to in its DevTools protocol over two pipes.

    It reaches no host, or `host` alone.
    """

    def __init__(self, host: str | None = None):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self.to = os.pipe()
        self.fro, theirs_out = os.pipe()
        rules = "--host-resolver-rules=MAP * ~NOTFOUND" + (f", EXCLUDE {host}" if host else "")
        profile = f"--user-data-dir={self.folder.name}"
        words = [CHROMIUM, *QUIET, *ALONE, rules, profile, "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "browser", *words],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.rest, self.events = 0, b"", []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.to)  # the end of its pipe ends Chromium
        os.close(self.fro)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def ask(self, method: str, session: str | None = None, **params):
        """A command's result; events that arrive before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(PATIENCE)
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer}"
                return answer["result"]
            self.events.append(answer)

    def wait(self, method: str, session: str) -> None:
        """Waits for an event of a page."""
        while not any(
            event.get("method") == method and event.get("sessionId") == session
            for event in self.events
        ):
            self.events.append(self._next(PATIENCE))

    def _next(self, seconds: float) -> dict:
        end = time.monotonic() + seconds
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.fro], [], [], max(0, end - time.monotonic()))
            assert ready, f"Chromium said nothing for {seconds} seconds"
            found = os.read(self.fro, 1 << 20)
            assert found, "Chromium ended"
            self.rest += found
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, url: str, width: int = PHONE, height: int = 844) -> tuple[str, str]:
        """Opens a page on a screen of so many pixels; gives its target and its session."""
        self.events = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.ask(f"{domain}.enable", session)
        screen = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.ask("Emulation.setDeviceMetricsOverride", session, mobile=width == PHONE, **screen)
        self.ask("Page.navigate", session, url=url)
        self.wait("Page.loadEventFired", session)
        return target, session

    def run(self, session: str, script: str):
        """What a script gives in a page; None, and an event, where it fails."""
        waits = {"returnByValue": True, "awaitPromise": True}
        seen = self.ask("Runtime.evaluate", session, expression=script, **waits)
        if "exceptionDetails" in seen:
            self.events.append({"method": "Runtime.exceptionThrown", "params": seen})
        return seen["result"].get("value")

    def until(self, session: str, script: str, seconds: float = PATIENCE):
        """What a script gives as soon as that is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(session, script)):
            assert time.monotonic() < end, f"not within {seconds} seconds: {script}"
            time.sleep(0.2)
        return found

    def choose(self, session: str, selector: str, *files: Path) -> None:
        """Gives files to a page's file input."""
        root = self.ask("DOM.getDocument", session)["root"]["nodeId"]
        node = self.ask("DOM.querySelector", session, nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", session, nodeId=node, files=[str(f) for f in files])

    def picture(self, session: str, file: Path) -> None:
        """Writes what a page shows, all of its length, as PNG."""
        shot = self.ask("Page.captureScreenshot", session, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def look(self, page: Path, *scripts: str) -> tuple[dict, list[dict]]:
        """What a page shows on a phone, after `scripts` have run in it, and what happened."""
        target, session = self.open(page.resolve().as_uri())
        for script in (*scripts, LOOK):
            seen = self.run(session, script)
        self.ask("Target.closeTarget", targetId=target)
        return seen, self.events


def happened(events: list[dict], own: str = "file:") -> list[str]:
    """What went wrong while a page was loaded: errors, and requests to anything but its `own`."""
    found = []
    for event in events:
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith((own, "data:", "blob:")):
                found.append(f"asks for {url}")
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            found.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            found.append(f"console: {entry['text']} {entry.get('url', '')}".strip())
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            said = (str(word.get("value", word.get("description"))) for word in params["args"])
            found.append(f"console: {' '.join(said)}")
    return found


class Anchors(HTMLParser):
    """Collects the ids of a page."""

    def __init__(self, page: Path):
        super().__init__()
        self.found: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.found |= {value for key, value in attrs if key in ("id", "name") and value}


def leads_nowhere(page: Path, link: str, ids: list[str]) -> bool:
    """Whether a link of a page names a file or an anchor that is not there."""
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme not in ("http", "https", "data", "javascript", "mailto")
    target = page.parent / unquote(parts.path) if parts.path else page
    if not target.exists():
        return True
    if not parts.fragment or target.suffix != ".html":
        return False
    here = set(ids) if target == page else Anchors(target).found
    return unquote(parts.fragment) not in here


def check_page(browser: Browser, page: Path, *scripts: str) -> list[str]:
    """What is wrong with a page, one line for each finding."""
    seen, events = browser.look(page, *scripts)
    found = [f"picture not drawn: {name[:80]}" for name in seen["broken"]]
    found += [
        f"link leads nowhere: {link}"
        for link in dict.fromkeys(seen["links"])
        if leads_nowhere(page, link, seen["ids"])
    ]
    if seen["width"] > PHONE:
        found.append(f"{seen['width']} pixels wide on a screen of {PHONE}")
    return [f"{page.name}: {line}" for line in [*found, *happened(events)]]


def check_pages(results: Path, *more: str) -> list[str]:
    """What is wrong with index.html, every notebook's page, and the pages named in `more`."""
    notebooks = sorted(results.glob("notebooks/*.html"))
    found = [] if notebooks else ["notebooks: no page"]
    with Browser() as browser:
        for page in [results / "index.html", *(results / name for name in more), *notebooks]:
            walks = [WALK] if page.name == "report.html" else []
            there = page.is_file()
            found += check_page(browser, page, *walks) if there else [f"{page.name}: not there"]
    return found


if __name__ == "__main__":
    if not CHROMIUM:
        sys.exit("no Chromium: install Debian's package chromium")
    wrong = check_pages(Path(sys.argv[1]), *sys.argv[2:])
    print("\n".join(wrong) or "nothing is wrong")
    sys.exit(bool(wrong))
