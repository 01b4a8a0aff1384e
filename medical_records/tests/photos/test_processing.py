import hashlib
import sys
import zlib
from io import BytesIO

import pytest
from PIL import Image, ImageCms

from medical_records.photos import processing
from medical_records.photos.decoding import (
    MAX_BYTES,
    AnimatedImage,
    CorruptImage,
    ImageError,
    TooManyBytes,
    TooManyPixels,
    UnsupportedFormat,
)
from medical_records.photos.processing import process_image

from . import image_files as files


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(BytesIO(jpeg))
    image.load()
    return image


def colour(jpeg: bytes, x: float, y: float) -> tuple[int, ...]:
    image = opened(jpeg)
    pixel = image.getpixel((int(image.width * x), int(image.height * y)))
    assert isinstance(pixel, tuple)
    return pixel


def is_near(found: tuple[int, ...], expected: tuple[int, ...], distance: int = 12) -> bool:
    return all(abs(one - other) <= distance for one, other in zip(found, expected, strict=True))


class TestWhatIsKept:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_every_accepted_kind_becomes_a_jpeg(self, kind):
        image = process_image(files.plain(kind))
        kept = opened(image.jpeg)
        assert (kept.format, kept.mode, kept.size) == ("JPEG", "RGB", (640, 480))
        assert (image.width, image.height) == (640, 480)
        assert is_near(colour(image.jpeg, 0.5, 0.5), files.RED)

    def test_large_sides_shrink_to_2048_and_300_keeping_their_proportions(self):
        image = process_image(files.plain(size=(4000, 3000)))
        assert opened(image.jpeg).size == (2048, 1536)
        assert opened(image.thumbnail).size == (300, 225)

    def test_small_images_are_not_made_larger(self):
        image = process_image(files.plain(size=(10, 20)))
        assert opened(image.jpeg).size == opened(image.thumbnail).size == (10, 20)

    def test_a_strip_keeps_at_least_one_pixel_a_side(self):
        image = process_image(files.plain("PNG", size=(60_000, 2)))
        assert opened(image.jpeg).size == (2048, 1)
        assert opened(image.thumbnail).size == (300, 1)

    def test_the_hash_is_that_of_the_kept_bytes(self):
        image = process_image(files.plain())
        assert image.sha256 == hashlib.sha256(image.jpeg).hexdigest()

    def test_equal_bytes_give_equal_images(self):
        assert process_image(files.from_a_phone()) == process_image(files.from_a_phone())


class TestMetadata:
    def test_a_phones_place_name_and_comment_are_gone(self):
        upload = files.from_a_phone()
        assert opened(upload).getexif().get_ifd(0x8825)  # or this test would show nothing
        image = process_image(upload)
        for jpeg in (image.jpeg, image.thumbnail):
            assert not opened(jpeg).getexif()
            assert b"PhoneMaker" not in jpeg
            assert b"taken at home" not in jpeg

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_only_what_a_decoder_needs_is_in_the_file(self, kind):
        exif = Image.Exif()
        exif[0x010E] = "of whom"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        image = process_image(files.plain(kind, exif=exif, icc_profile=profile))
        # JFIF's header, quantisation tables, the frame's header, Huffman tables.
        assert set(files.jpeg_segments(image.jpeg)) == {0xE0, 0xDB, 0xC0, 0xC4}
        assert image.jpeg.endswith(b"\xff\xd9")

    def test_what_is_hidden_behind_the_image_is_gone(self):
        image = process_image(files.plain() + b"<script>alert(1)</script>")
        assert b"script" not in image.jpeg

    @pytest.mark.parametrize(
        ("orientation", "size", "red_at"),
        [
            (1, (400, 200), (0.2, 0.5)),
            (2, (400, 200), (0.8, 0.5)),
            (3, (400, 200), (0.8, 0.5)),
            (4, (400, 200), (0.2, 0.5)),
            (5, (200, 400), (0.5, 0.2)),
            (6, (200, 400), (0.5, 0.2)),
            (7, (200, 400), (0.5, 0.8)),
            (8, (200, 400), (0.5, 0.8)),
        ],
    )
    def test_images_are_turned_upright(self, orientation, size, red_at):
        image = process_image(files.from_a_phone(orientation))
        assert opened(image.jpeg).size == (image.width, image.height) == size
        assert is_near(colour(image.jpeg, *red_at), files.RED)
        assert is_near(colour(image.jpeg, 1 - red_at[0], 1 - red_at[1]), files.BLUE)

    @pytest.mark.parametrize("exif", [b"Exif\0\0MM\0\x2a\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0"])
    def test_broken_exif_is_no_reason_to_refuse(self, exif):
        assert process_image(files.plain(exif=exif)).width == 640

    def test_an_orientation_that_does_not_exist_is_ignored(self):
        assert process_image(files.from_a_phone(99)).width == 400


class TestColours:
    def test_transparency_becomes_white(self):
        image = Image.new("RGBA", (40, 40), (*files.RED, 0))
        image.paste((*files.RED, 255), (0, 0, 20, 40))
        jpeg = process_image(files.encoded(image, "PNG")).jpeg
        assert is_near(colour(jpeg, 0.2, 0.5), files.RED)
        assert is_near(colour(jpeg, 0.9, 0.5), (255, 255, 255))

    def test_a_transparent_colour_of_a_palette_becomes_white(self):
        image = Image.new("P", (40, 40), 0)
        image.putpalette([*files.RED, *files.BLUE])
        image.paste(1, (20, 0, 40, 40))
        jpeg = process_image(files.encoded(image, "PNG", transparency=0)).jpeg
        assert is_near(colour(jpeg, 0.2, 0.5), (255, 255, 255))
        assert is_near(colour(jpeg, 0.9, 0.5), files.BLUE)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
    def test_a_png_of_any_mode_is_accepted(self, mode):
        jpeg = process_image(files.encoded(Image.new("RGB", (30, 30), "white").convert(mode), "PNG")).jpeg
        assert is_near(colour(jpeg, 0.5, 0.5), (255, 255, 255))

    def test_sixteen_bits_are_scaled_not_cut_off(self):
        grey = files.encoded(Image.new("I;16", (30, 30), 32_896), "PNG")
        assert is_near(colour(process_image(grey).jpeg, 0.5, 0.5), (128, 128, 128), distance=2)

    def test_cmyk_becomes_rgb(self):
        jpeg = process_image(files.encoded(Image.new("CMYK", (30, 30), (0, 255, 255, 0)))).jpeg
        assert is_near(colour(jpeg, 0.5, 0.5), (255, 0, 0))

    def test_a_profiles_colours_become_those_of_srgb(self):
        swapped = srgb_with_red_and_blue_swapped()
        jpeg = process_image(files.plain(colour=files.RED, icc_profile=swapped)).jpeg
        assert is_near(colour(jpeg, 0.5, 0.5), files.BLUE, distance=20)

    @pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 200])
    def test_a_broken_profile_is_no_reason_to_refuse(self, profile):
        jpeg = process_image(files.plain(icc_profile=profile)).jpeg
        assert is_near(colour(jpeg, 0.5, 0.5), files.RED)


def srgb_with_red_and_blue_swapped() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


class TestRefused:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\0",
            b"<!doctype html><script>alert(1)</script>",
            b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
            b"GIF89a" + b"\0" * 100,
            b"%PDF-1.7\n",
            b"PK\x03\x04" + b"\0" * 100,
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            files.plain("GIF"),
            files.plain("TIFF"),
            files.plain("BMP"),
        ],
    )
    def test_other_formats_are_refused(self, data):
        with pytest.raises(UnsupportedFormat, match="Choose an image of these formats"):
            process_image(data)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
    def test_truncated_images_are_refused(self, kind, part):
        noise = Image.effect_noise((300, 300), 80).convert("RGB")
        data = files.encoded(noise, kind)
        with pytest.raises(ImageError):
            process_image(data[: int(len(data) * part)])

    def test_a_flipped_bit_is_refused(self):
        data = bytearray(files.plain("PNG"))
        data[-20] ^= 0xFF
        with pytest.raises(CorruptImage):
            process_image(bytes(data))

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_animated_images_are_refused(self, kind):
        with pytest.raises(AnimatedImage):
            process_image(files.animated(kind))

    def test_more_than_10_mb_are_refused(self):
        exactly = files.plain() + b"\0" * (MAX_BYTES - len(files.plain()))
        assert process_image(exactly).width == 640
        with pytest.raises(TooManyBytes):
            process_image(exactly + b"\0")

    @pytest.mark.parametrize(
        "data",
        [
            files.png_claiming(100_000, 100_000),
            files.png_claiming(100_000, 1),
            files.png_claiming(1, 100_000),
            files.png_claiming(10_000, 5_001),
            files.png_claiming(2**31 - 1, 2**31 - 1),
            files.webp_claiming(16_000, 16_000),
        ],
        ids=len,
    )
    def test_too_many_pixels_are_refused_before_any_is_decoded(self, data, monkeypatch):
        monkeypatch.setattr(processing, "decode", lambda *_: pytest.fail("pixels were decoded"))
        with pytest.raises(TooManyPixels):
            process_image(data)

    @pytest.mark.slow
    def test_50_megapixels_are_accepted(self):
        assert process_image(files.plain("PNG", size=(10_000, 5_000))).width == 2048

    def test_a_jpeg_of_more_scans_than_a_camera_makes_is_refused(self):
        assert process_image(files.jpeg_of_many_scans(20)).width == 400
        with pytest.raises(CorruptImage):
            process_image(files.jpeg_of_many_scans(200))

    @pytest.mark.parametrize("part", [b"\xff\xfe\x00\x02", b"\xff\xe1\x00\x02", b"\xff", b"\x00"])
    def test_a_jpeg_of_millions_of_parts_is_refused(self, part):
        plain = files.plain()
        with pytest.raises(CorruptImage):
            process_image(plain[:2] + part * (9_000_000 // len(part)) + plain[2:])

    def test_a_png_of_millions_of_parts_is_refused(self):
        with pytest.raises(CorruptImage):
            process_image(files.png_claiming(10, 10, extra=files.png_chunk(b"tEXt", b"a\0b") * 500_000))

    def test_scans_are_those_of_the_image_and_not_of_its_preview(self):
        preview = b"Exif\0\0" + b"\xff\xda\0\2" * 200
        assert process_image(files.plain(exif=preview)).width == 640

    def test_a_text_chunk_that_inflates_to_100_mb_is_refused(self):
        bomb = files.png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 100_000_000))
        with pytest.raises(ImageError):
            process_image(files.png_claiming(10, 10, extra=bomb))

    def test_a_png_with_less_data_than_its_size_is_refused(self):
        with pytest.raises(CorruptImage):
            process_image(files.png_claiming(5_000, 5_000))


class TestHeic:
    def test_heic_is_accepted_and_stripped_where_pillow_heif_is_installed(self):
        heif = pytest.importorskip("pillow_heif")
        exif = Image.Exif()
        exif[0x010F] = "PhoneMaker"
        heif.register_heif_opener()
        image = process_image(files.encoded(files.half_and_half(), "HEIF", exif=exif.tobytes()))
        assert opened(image.jpeg).format == "JPEG"
        assert b"PhoneMaker" not in image.jpeg
        assert is_near(colour(image.jpeg, 0.2, 0.5), files.RED)

    def test_heic_is_refused_without_pillow_heif(self, monkeypatch):
        heif = pytest.importorskip("pillow_heif")
        heif.register_heif_opener()
        upload = files.plain("HEIF")
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(UnsupportedFormat, match="JPEG, PNG or WebP"):
            process_image(upload)


class TestManyImagesInOneJpeg:
    def test_the_first_of_a_phones_images_is_kept(self):
        second = Image.new("RGB", (400, 200), "white")
        upload = files.encoded(files.half_and_half(), "MPO", save_all=True, append_images=[second])
        assert opened(upload).format == "MPO"
        assert is_near(colour(process_image(upload).jpeg, 0.2, 0.5), files.RED)
