"""Tests of scripts/stylize.py."""

import numpy as np
import pytest

from l2l_tf.keras_optimizers import memory
from l2l_tf.problems import images
from tests import in_process

RANDOM = np.random.default_rng(0)


@pytest.fixture(name="photo", scope="module")
def _photo(tmp_path_factory):
    pixels = RANDOM.integers(0, 256, [30, 40, 3], np.uint8)
    return images.write(tmp_path_factory.mktemp("photos") / "p.png", pixels)


def _stylize(photo, output, *flags):
    return in_process.run_script(
        "stylize",
        f"--content={photo}",
        f"--output={output}",
        "--size=16",
        "--steps=9",
        *flags,
    )


def _losses(done):
    assert done.returncode == 0, done.stderr
    [line] = [r for r in done.stdout.splitlines() if r.startswith("Loss: ")]
    words = line.split()
    return float(words[1]), float(words[4])


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_pictures_have_the_photos_shape_and_a_lower_loss(
    photo, tmp_path, optimizer
):
    done = _stylize(photo, tmp_path / "out.png", f"--optimizer={optimizer}")
    first, last = _losses(done)
    assert last < 0.9 * first
    picture = images.read(tmp_path / "out.png")
    assert picture.shape == (12, 16, 3) and np.std(picture) > 5
    assert "9/9" in done.stderr


def test_a_learned_optimizer_is_given_by_its_path(photo, tmp_path, exported):
    flag = f"--optimizer={exported}"
    _losses(_stylize(photo, tmp_path / "a.png", flag))
    _losses(_stylize(photo, tmp_path / "b.png", flag, "--seed=1"))
    a, b = (images.read(tmp_path / name) for name in ("a.png", "b.png"))
    assert a.shape == b.shape and np.any(a != b)


def test_the_bundled_painter_is_the_default(photo, tmp_path):
    first, last = _losses(_stylize(photo, tmp_path / "out.png"))
    assert last < 0.5 * first


def test_photo_painting_and_picture_are_shown_side_by_side(photo, tmp_path):
    painting = RANDOM.integers(0, 256, [20, 10, 3], np.uint8)
    style = images.write(tmp_path / "style.png", painting)
    flags = ("--side_by_side", f"--style={style}", "--optimizer=adam")
    _losses(_stylize(photo, tmp_path / "out.png", *flags))
    shown = images.read(tmp_path / "out.png")
    assert shown.shape == (12, 16 + 6 + 16, 3)
    content = images.fit(images.read(photo), 16)
    np.testing.assert_array_equal(shown[:, :16], content)


def test_weights_and_start_change_the_picture(photo, tmp_path):
    flags = ("--optimizer=sgd", "--learning_rate=1e-9", "--start=content")
    _losses(_stylize(photo, tmp_path / "out.png", *flags))
    np.testing.assert_array_equal(
        images.read(tmp_path / "out.png"), images.fit(images.read(photo), 16)
    )
    done = _stylize(photo, tmp_path / "out.png", *flags, "--content_weight=3")
    # At the content image itself, its weight does not matter.
    once = _losses(done)[0]
    done = _stylize(photo, tmp_path / "out.png", *flags, "--style_weight=0")
    assert 0 < _losses(done)[0] < once


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--content="], "--content is missing"),
        (["--output=out.doc"], "out.doc"),
        (["--content=nowhere.jpg"], "'nowhere.jpg' cannot be read"),
        (["--style=nowhere.jpg"], "great_wave, starry_night"),
        (["--optimizer=nothing"], "lbfgs"),
        (["--optimizer=adam", "--learning_rate=-1"], "--learning_rate"),
        (["--optimizer=lbfgs", "--learning_rate=1"], "--learning_rate"),
        (["--optimizer=adam", "--features=vgg16"], "small, vgg19"),
        (["--optimizer=adam", "--size=0"], "--size must be at least 1"),
        (["--optimizer=adam", "--size=4"], "4 x 4"),
        (["--optimizer=adam", "--style_weight=-1"], "--style_weight"),
        (["--optimizer=sgd", "--learning_rate=1e9"], "diverges"),
        (["--optimizer=adam", "--style="], "great_wave, starry_night"),
        (["--optimizer=adam", "--style_weight=1e39"], "--style_weight"),
        (["--optimizer=adam", "--output=a\0.png"], "null byte"),
    ],
)
def test_what_is_refused_is_told_in_one_line(photo, tmp_path, flags, said):
    done = _stylize(photo, tmp_path / "out.png", *flags)
    [*_, line] = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("Error: ")
    assert said in line and "Traceback" not in done.stderr
    assert not (tmp_path / "out.png").exists()


def test_a_broken_photo_is_told_in_one_line(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"broken")
    done = _stylize(
        tmp_path / "photo.jpg", tmp_path / "out.png", "--optimizer=adam"
    )
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and "photo.jpg' is no image" in line


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_too_large_pictures_are_refused_with_numbers(
    photo, tmp_path, optimizer, monkeypatch
):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    flags = (f"--optimizer={optimizer}", "--size=2000")
    done = _stylize(photo, tmp_path / "out.png", *flags)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    for number in ("2000 x 1500", "1.0 GiB are available", "--size"):
        assert number in line


def test_a_large_painting_counts_as_well(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    narrow = images.write(
        tmp_path / "narrow.png", np.zeros([2000, 20, 3], np.uint8)
    )
    done = _stylize(
        narrow, tmp_path / "out.png", "--optimizer=adam", "--size=2000"
    )
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and "1.0 GiB are available" in line


def test_photo_and_painting_are_not_overwritten(photo, tmp_path):
    before = photo.read_bytes()
    done = _stylize(photo, photo, "--optimizer=adam")
    assert done.returncode == 1 and "--content itself" in done.stderr
    done = _stylize(
        tmp_path / "none.png", photo, f"--style={photo}", "--optimizer=adam"
    )
    assert done.returncode == 1 and "--style itself" in done.stderr
    assert photo.read_bytes() == before


def test_a_format_that_is_too_small_is_refused_before_painting(photo, tmp_path):
    long = images.write(
        tmp_path / "long.png", np.zeros([40, 4_000, 3], np.uint8)
    )
    flags = ("--side_by_side", f"--style={long}", "--optimizer=adam")
    done = _stylize(photo, tmp_path / "out.webp", *flags, "--size=400")
    [line] = [r for r in done.stderr.splitlines() if r.startswith("Error")]
    assert "16,383 along each side" in line and "step" not in done.stderr
