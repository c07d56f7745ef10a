"""Which file a video id names."""

import pytest

from groundvts.data.folder import VideoFolder, without_suffix
from groundvts.errors import BadInput, VideoReadError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mp4", "deep/b.webm", "one/c.mp4", "two/c.mkv", "x_360.0_510.0.mp4", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("video", "file"),
    [
        ("a", "a.mp4"),
        ("b", "deep/b.webm"),
        ("deep/b", "deep/b.webm"),
        ("two/c", "two/c.mkv"),
        ("published/deep/b", "deep/b.webm"),  # the folder named is `published` itself
        ("x_360.0_510.0", "x_360.0_510.0.mp4"),
    ],
)
def test_a_video_is_found_by_what_its_path_ends_with(folder, video, file):
    assert VideoFolder(folder).find(video) == folder / file
    assert video in VideoFolder(folder)


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        ("c", "has the same name"),
        ("lost", "no such video file"),
        ("e", "no such video file"),
        ("other/b", "no such video file"),  # another video of that last name
        ("../a", "not a plain file name"),
        ("/etc/a", "not a plain file name"),
    ],
)
def test_what_is_not_found_has_a_reason(folder, video, reason):
    with pytest.raises(VideoReadError, match=reason):
        VideoFolder(folder).find(video)
    assert video not in VideoFolder(folder)


def test_a_folder_that_is_none_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        VideoFolder(tmp_path / "gone")


def test_only_a_videos_extension_is_taken_off():
    assert [without_suffix(name) for name in ("a.MP4", "v.1_2.5", "b.tar")] == [
        "a",
        "v.1_2.5",
        "b.tar",
    ]
