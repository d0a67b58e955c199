"""Tests of l2l_tf/problems/images.py."""

import os
import struct

import numpy as np
import pytest
from PIL import Image

from l2l_tf.problems import images

RANDOM = np.random.default_rng(0)


def _pixels(height, width):
    return RANDOM.integers(0, 256, [height, width, 3], np.uint8)


def test_pixels_are_written_and_read(tmp_path):
    pixels = _pixels(5, 7)
    path = images.write(tmp_path / "new" / "image.PNG", pixels)
    np.testing.assert_array_equal(images.read(path), pixels)


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_every_suffix_is_written_and_read(tmp_path, suffix):
    grey = np.full([16, 16, 3], 100, np.uint8)
    path = images.write(tmp_path / f"image{suffix}", grey)
    np.testing.assert_allclose(images.read(path), grey, atol=3)


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.png.*'.*image\.doc'"):
        images.write(tmp_path / "image.doc", _pixels(4, 4))
    assert not any(tmp_path.iterdir())


def test_photos_are_turned_upright(tmp_path):
    pixels = _pixels(4, 6)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # To be turned clockwise by a quarter.
    image.save(tmp_path / "photo.png", exif=exif)
    expected = np.rot90(pixels, -1)
    np.testing.assert_array_equal(images.read(tmp_path / "photo.png"), expected)


def test_transparent_pixels_lie_on_white(tmp_path):
    rgba = np.zeros([2, 2, 4], np.uint8)
    rgba[0, 0] = (255, 0, 0, 255)
    rgba[0, 1] = (0, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    read = images.read(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read[0, 0], [255, 0, 0])
    np.testing.assert_allclose(read[0, 1], 127, atol=1)
    np.testing.assert_array_equal(read[1], 255)
    palette = Image.fromarray(rgba).convert("P")
    palette.save(
        tmp_path / "palette.gif", transparency=palette.getpixel((0, 1))
    )
    assert np.all(images.read(tmp_path / "palette.gif")[1, 1] == 255)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.uint8([[0, 90], [180, 255]]), [[0, 90], [180, 255]]),
        (np.uint16([[0, 257], [25700, 65535]]), [[0, 1], [100, 255]]),
        (np.array([[True, False], [False, True]]), [[255, 0], [0, 255]]),
    ],
)
def test_grey_images_get_three_channels(tmp_path, values, expected):
    Image.fromarray(values).save(tmp_path / "grey.png")
    read = images.read(tmp_path / "grey.png")
    np.testing.assert_array_equal(read, np.stack([expected] * 3, axis=-1))


def test_cmyk_images_get_three_channels(tmp_path):
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    image.save(tmp_path / "cmyk.jpg")
    mean = images.read(tmp_path / "cmyk.jpg").mean((0, 1))
    assert mean[0] < 60 < 100 < min(mean[1:])


def _broken_files(folder):
    """Makes files that are no images, and yields their names."""
    folder.mkdir()
    Image.fromarray(_pixels(64, 64)).save(folder / "whole.jpg")
    Image.fromarray(_pixels(64, 64)).save(folder / "whole.png")
    for name in ("whole.jpg", "whole.png"):
        content = (folder / name).read_bytes()
        (folder / f"cut_{name}").write_bytes(content[: len(content) // 2])
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no image")
    (folder / "folder.png").mkdir()
    (folder / "dangling.png").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe.png")
    header = (folder / "whole.png").read_bytes()
    size = struct.pack(">II", 60_000, 60_000)
    (folder / "bomb.png").write_bytes(header[:16] + size + header[24:])
    (folder / "long.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 100)


def test_broken_files_are_refused_in_one_line(tmp_path):
    _broken_files(tmp_path / "broken")
    whole = 0
    for file in (tmp_path / "broken").iterdir():
        if file.name.startswith("whole"):
            assert images.read(file).shape == (64, 64, 3)
            whole += 1
            continue
        with pytest.raises(ValueError) as error:
            images.read(file)
        said = str(error.value)
        assert file.name in said and "\n" not in said and len(said) < 300
    assert whole == 2


def test_links_are_followed(tmp_path):
    pixels = _pixels(3, 3)
    images.write(tmp_path / "image.png", pixels)
    (tmp_path / "link").symlink_to(tmp_path / "image.png")
    np.testing.assert_array_equal(images.read(tmp_path / "link"), pixels)


def test_too_many_pixels_or_bytes_are_refused_with_numbers(
    tmp_path, monkeypatch
):
    path = images.write(tmp_path / "image.png", _pixels(5, 7))
    monkeypatch.setattr(images, "MAX_PIXELS", 34)
    with pytest.raises(ValueError, match=r"image\.png.* 7 x 5 .*34"):
        images.read(path)
    monkeypatch.setattr(images, "MAX_BYTES", 20)
    with pytest.raises(ValueError, match=r"image\.png.*bytes.*20"):
        images.read(path)


def test_squares_are_cut_from_the_middle():
    pixels = np.zeros([20, 50, 3], np.uint8)
    pixels[:, 15:35] = RANDOM.integers(0, 256, [20, 20, 3])
    np.testing.assert_array_equal(images.square(pixels, 20), pixels[:, 15:35])
    upright = pixels.swapaxes(0, 1)
    np.testing.assert_array_equal(images.square(upright, 20), upright[15:35])
    assert images.square(pixels, 7).shape == (7, 7, 3)
    assert images.square(pixels, 33).shape == (33, 33, 3)


def test_numbers_outside_of_the_range_are_clipped():
    values = np.array([-3.0, 0.0, 0.5, 1.0, 1.7])
    np.testing.assert_array_equal(
        images.to_pixels(values), [0, 0, 128, 255, 255]
    )


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((20, 50), 100, (40, 100)),
        ((50, 20), 25, (25, 10)),
        ((9, 9), 64, (64, 64)),
        ((1, 1000), 10, (1, 10)),
    ],
)
def test_the_longer_side_gets_the_size(shape, size, expected):
    assert images.fit(_pixels(*shape), size).shape == (*expected, 3)


def _written(path, **options):
    Image.fromarray(np.asarray(options.pop("pixels"))).save(path, **options)
    return path


def test_dark_images_of_16_bits_stay_dark(tmp_path):
    values = np.full([4, 4], 200, np.uint16)
    path = _written(tmp_path / "dark.png", pixels=values)
    np.testing.assert_array_equal(images.read(path), 1)


def test_floating_point_pixels_are_refused(tmp_path):
    path = _written(
        tmp_path / "float.tif", pixels=np.full([4, 4], 0.5, np.float32)
    )
    with pytest.raises(ValueError, match=r"float\.tif.*8 or 16 bits"):
        images.read(path)


def test_formats_that_start_programs_are_not_tried(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    )
    with pytest.raises(ValueError, match=r"photo\.jpg.*of no known format"):
        images.read(path)


def test_headers_that_claim_too_much_are_refused(tmp_path, monkeypatch):
    path = images.write(tmp_path / "bomb.png", _pixels(8, 8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"bomb\.png.*too many.*67,108,864"):
        images.read(path)


def test_sides_that_a_format_does_not_hold_are_refused(tmp_path):
    images.check_sides("a.png", 20_000, 2)
    with pytest.raises(ValueError, match=r"2 x 20000.*a\.webp.*16,383"):
        images.check_sides("a.webp", 20_000, 2)
    with pytest.raises(ValueError, match="10000 x 10000 .*67,108,864"):
        images.check_sides("a.png", 10_000, 10_000)


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"'.*a\.png' cannot be written: "):
        images.write(tmp_path / "file" / "a.png", _pixels(2, 2))
    with pytest.raises(ValueError, match="null byte"):
        images.write("a\0.png", _pixels(2, 2))
    assert os.listdir(tmp_path) == ["file"]
