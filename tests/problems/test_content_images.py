"""Tests of l2l_tf/problems/content_images.py."""

import hashlib

import numpy as np
import pytest
from sklearn import datasets

from l2l_tf.problems import content_images
from l2l_tf.problems import images

RANDOM = np.random.default_rng(0)


def _make_folder(path, names):
    for name in names:
        pixels = RANDOM.integers(0, 256, [8, 8, 3], np.uint8)
        images.write(path / name, pixels)
    return path


def test_splits_come_from_disjoint_parts_of_the_photos(monkeypatch):
    # Each part of a striped photo has a colour of its own.
    stripes = np.repeat(np.uint8([10, 100, 200]), [384, 128, 128])
    photo = np.broadcast_to(stripes[:, np.newaxis], [427, 640, 3])
    monkeypatch.setattr(datasets, "load_sample_image", lambda name: photo)
    splits = content_images._photos.__wrapped__(32)
    assert list(splits) == ["train", "validation", "test"]
    for found, colour in zip(splits.values(), (10, 100, 200), strict=True):
        assert found.shape[1:] == (32, 32, 3) and np.all(found == colour)


def test_photos_give_many_different_images():
    splits = content_images.photos(64)
    assert [len(np.unique(found, axis=0)) for found in splits.values()] == [
        544,
        76,
        76,
    ]


def test_a_split_is_told_by_the_name(tmp_path):
    names = [f"photo_{number}.png" for number in range(60)]
    _make_folder(tmp_path, names)
    splits = content_images.folder(8, str(tmp_path))
    for split, found in splits.items():
        mine = [n for n in names if content_images.split_of(n) == split]
        expected = [images.read(tmp_path / name) for name in sorted(mine)]
        np.testing.assert_array_equal(found, expected)
        assert len(found)


def test_splits_have_their_shares_and_stay():
    names = [f"image {number}.jpg" for number in range(2000)]
    ranks = [
        int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) % 100
        for name in names
    ]
    for name, rank in zip(names, ranks, strict=True):
        expected = (
            "train" if rank < 80 else "validation" if rank < 90 else "test"
        )
        assert content_images.split_of(name) == expected
    assert abs(np.mean(np.array(ranks) < 80) - 0.8) < 0.04


def test_other_files_are_not_read(tmp_path):
    _make_folder(tmp_path, ["a.png", "b.JPG"])
    (tmp_path / "notes.txt").write_text("not an image")
    _make_folder(tmp_path / "inside", ["c.png"])
    splits = content_images.folder(4, str(tmp_path))
    assert sum(map(len, splits.values())) == 2
    assert all(part.shape[1:] == (4, 4, 3) for part in splits.values())


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    _make_folder(tmp_path, ["a.png"])
    monkeypatch.setenv("L2L_IMAGE_DIR", str(tmp_path))
    assert sum(map(len, content_images.folder(4).values())) == 1
    monkeypatch.delenv("L2L_IMAGE_DIR")
    with pytest.raises(ValueError, match="image_dir.*L2L_IMAGE_DIR.*photos"):
        content_images.folder(4)


def test_broken_images_are_refused_with_their_number(tmp_path):
    _make_folder(tmp_path, ["a.png", "b.png"])
    for name in ("c.png", "d.jpg"):
        (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"^2 of 4 images in .*'.*c\.png'"):
        content_images.folder(4, str(tmp_path))


def test_folders_without_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no images.*png"):
        content_images.folder(4, str(tmp_path))
    with pytest.raises(ValueError, match="'.*nowhere' cannot be read"):
        content_images.folder(4, str(tmp_path / "nowhere"))
    for name in ("photos", "whole_photos"):
        with pytest.raises(ValueError, match=f"'{name}'.*'somewhere'"):
            content_images.CONTENTS.get(name)(64, "somewhere")


@pytest.mark.parametrize("given", ["", 3, ["photos"]])
def test_what_is_no_folder_is_refused(given, tmp_path, monkeypatch):
    _make_folder(tmp_path, ["a.png"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("L2L_IMAGE_DIR", "")
    for received in (given, None):
        with pytest.raises(ValueError, match="set image_dir.*received"):
            content_images.folder(4, received)
    with pytest.raises(ValueError, match="cannot be read: .*null byte"):
        content_images.folder(4, "a\0b")


def test_a_folder_is_read_as_it_is_now(tmp_path, monkeypatch):
    for name in ("one", "two"):
        _make_folder(tmp_path / name, ["a.png"])
    monkeypatch.chdir(tmp_path / "one")
    first = content_images.folder(4, ".")
    monkeypatch.chdir(tmp_path / "two")
    second = content_images.folder(4, ".")
    [split] = [s for s, part in first.items() if len(part)]
    assert np.any(first[split] != second[split])
    _make_folder(tmp_path / "two", ["b.png"])
    assert sum(map(len, content_images.folder(4, ".").values())) == 2


def test_hidden_files_and_folders_are_not_read(tmp_path):
    _make_folder(tmp_path, ["a.png"])
    (tmp_path / "._a.png").write_bytes(b"what a Mac leaves")
    (tmp_path / "album.jpg").mkdir()
    assert sum(map(len, content_images.folder(4, tmp_path).values())) == 1


def test_photos_that_are_shared_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        content_images.photos(8)["train"][:] = 0


def test_too_large_sets_are_refused_with_numbers(tmp_path):
    _make_folder(tmp_path, ["a.png", "b.png"])
    with pytest.raises(ValueError, match="2 images of 30000 x 30000 .*5.4 GB"):
        content_images.folder(30_000, tmp_path)
    with pytest.raises(ValueError, match="of 100000 x 100000 pixels"):
        content_images.photos(100_000)


def test_whole_photos_are_their_middle_squares():
    splits = content_images.whole_photos(427)
    for name, pixels in zip(
        ("china.jpg", "flower.jpg"), splits["test"], strict=True
    ):
        photo = datasets.load_sample_image(name)
        np.testing.assert_array_equal(pixels, photo[:, 106:533])
    assert splits["train"] is splits["test"]
