"""Downloads that break off: gone on with, or ended; two versions are never joined."""

import json

import pytest
from servers import PlainSite, serving
from test_download import CONTENT, SHA, fetch

from groundvts.data import download as module
from groundvts.errors import RunFailed

PATH = "/data/a.bin"


@pytest.fixture
def site():
    with serving(PlainSite()) as served:
        served.files[PATH] = CONTENT
        yield served


@pytest.fixture
def begun(site, tmp_path):
    """A function that leaves `content` as what an earlier run fetched of a version."""

    def leave(content: bytes, **about) -> None:
        (tmp_path / "a.bin.part").write_bytes(content)
        known = {"url": site.url + PATH, "version": site.tag(CONTENT), **about}
        (tmp_path / "a.bin.part.json").write_text(json.dumps(known))

    return leave


def test_a_truncated_answer_is_gone_on_with(site, tmp_path):
    site.cut["/data/a.bin"] = 2_000_000
    fetch(site, tmp_path / "a.bin", sha256=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [None, "bytes=2000000-"]


def test_a_later_run_goes_on_where_an_earlier_was_killed(site, tmp_path):
    out, version = tmp_path / "a.bin", site.tag(CONTENT)
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1_000_000])
    about = {"url": f"{site.url}/data/a.bin", "version": version}
    (tmp_path / "a.bin.part.json").write_text(json.dumps(about))
    assert fetch(site, out)["resumed"] == 1_000_000
    assert out.read_bytes() == CONTENT
    assert site.asked == [("/data/a.bin", "bytes=1000000-")]


@pytest.mark.parametrize("about", [{"version": '"older"'}, {"version": None}, {"url": "http://b"}])
def test_two_versions_are_never_joined(site, tmp_path, about):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    known = {"url": f"{site.url}/data/a.bin", "version": site.tag(CONTENT), **about}
    (tmp_path / "a.bin.part.json").write_text(json.dumps(known))
    fetch(site, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_wrong_beginning_is_fetched_anew(site, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    known = {"url": f"{site.url}/data/a.bin", "version": site.tag(CONTENT)}
    (tmp_path / "a.bin.part.json").write_text(json.dumps(known))
    assert fetch(site, tmp_path / "a.bin", sha256=SHA)["resumed"] == 0
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_begins_anew(site, tmp_path):
    site.ranges, site.cut["/data/a.bin"] = False, 1000
    fetch(site, tmp_path / "a.bin", sha256=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_connection_that_always_breaks_at_one_place_ends(site, tmp_path):
    """Where nothing can be gone on with, each try brings as much as the one before."""
    site.ranges, site.always[PATH] = False, 2_000_000
    with pytest.raises(RunFailed, match=r"broke off after 2,000,000 .*tried 5 times"):
        fetch(site, tmp_path / "a.bin")
    assert len(site.asked) == module.TRIES


def test_a_connection_that_breaks_often_but_goes_on_arrives(site, tmp_path):
    site.files[PATH] = content = CONTENT * 4
    site.always[PATH] = 1_200_000
    fetch(site, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == content
    assert len(site.asked) == 10 > module.TRIES


def test_killed_where_another_version_begins_the_old_is_not_gone_on_with(
    site, begun, tmp_path, monkeypatch
):
    begun(b"x" * 1000, version='"older"')
    with monkeypatch.context() as killed:
        killed.setattr(module, "_receive", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fetch(site, tmp_path / "a.bin")
    assert fetch(site, tmp_path / "a.bin")["resumed"] == 0
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", [{"Content-Range": "bytes 0-9/10"}, {"ETag": '"another"'}])
def test_another_part_than_was_asked_for_is_not_joined(site, begun, tmp_path, wrong):
    begun(CONTENT[:1000])
    site.wrong[PATH] = wrong
    fetch(site, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == ["bytes=1000-", None]
