"""Decodes an uploaded file to pixels, within limits of bytes, pixels and time.

`open_image` and `decode` raise:

    ImageError
    ├── TooManyBytes       the file is larger than MAX_BYTES
    ├── TooManyPixels      its header says that it has more than MAX_PIXELS, or more than MAX_SIDE a side
    ├── UnsupportedFormat  it isn't an image, or has a format that isn't accepted
    ├── AnimatedImage      it has several frames
    └── CorruptImage       it is cut short or corrupt
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from PIL import Image, ImageFile

from .decompression_bombs import is_decompression_bomb

logger = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
MAX_BYTES = 10 * MEGABYTE
MAX_PIXELS = 50_000_000
#: Pixels. A JPEG can't have more, in either direction: its header has 16 bits for each.
MAX_SIDE = 65_535

_HEIC_FORMAT = "HEIF"
#: By Pillow's names of the formats.
_TYPES = {
    "JPEG": ["image/jpeg"],
    "PNG": ["image/png"],
    "WEBP": ["image/webp"],
    _HEIC_FORMAT: ["image/heic", "image/heif"],
}


class ImageError(Exception):
    """The upload can't be kept. The message is for the person who chose the file."""


class TooManyBytes(ImageError):
    def __init__(self) -> None:
        super().__init__(
            _("The file is larger than %(size)d MB. Choose a smaller image.") % {"size": MAX_BYTES // MEGABYTE}
        )


class TooManyPixels(ImageError):
    def __init__(self) -> None:
        super().__init__(
            _("The image has more than %(pixels)d million pixels, or more than %(side)d a side. Make it smaller first.")
            % {"pixels": MAX_PIXELS // 1_000_000, "side": MAX_SIDE}
        )


class UnsupportedFormat(ImageError):
    def __init__(self) -> None:
        formats = _("JPEG, PNG, WebP or HEIC") if heic_is_accepted() else _("JPEG, PNG or WebP")
        said = _("The file isn't a %(formats)s image, whatever its name says. Choose an image of these formats.")
        super().__init__(said % {"formats": formats})


class AnimatedImage(ImageError):
    def __init__(self) -> None:
        super().__init__(_("The image is animated. Choose a still one."))


class CorruptImage(ImageError):
    def __init__(self) -> None:
        super().__init__(_("The image can't be read: it is damaged or cut short. Choose the original file again."))


def heic_is_accepted() -> bool:
    """Whether `pillow-heif`, which decodes what iPhones take, is installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    from PIL import Image

    if _HEIC_FORMAT not in Image.OPEN:
        pillow_heif.register_heif_opener()
    return True


def accepted_types() -> list[str]:
    """Return the media types of what is accepted. A phone that takes photos in another converts them to one of these."""
    return [media_type for name in _accepted_formats() for media_type in _TYPES[name]]


@contextmanager
def open_image(data: bytes) -> "Iterator[ImageFile.ImageFile]":
    """Yield the image in `data`: its header is checked, and no pixel is decoded yet.

    Raises ImageError, also for what is raised in the block, in which the pixels are decoded.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > MAX_BYTES:
        raise TooManyBytes
    if is_decompression_bomb(data):
        raise CorruptImage
    try:
        with Image.open(BytesIO(data), formats=_accepted_formats()) as image:
            _check_header(image)
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedFormat from error
    except Image.DecompressionBombError as error:
        raise TooManyPixels from error
    except Exception as error:  # decoders raise anything, from struct.error to MemoryError, for what is broken
        logger.info("An image of %d bytes can't be decoded: %s", len(data), type(error).__name__)
        raise CorruptImage from error


def decode(image: "ImageFile.ImageFile", side: int) -> "Image.Image":
    """Return the pixels of `image`, at most `side` of them a side, in a mode that can be resized well."""
    from PIL import Image

    # libjpeg halves a JPEG while decoding it; other formats ignore this.
    image.draft(None, (side, side))
    pixels: Image.Image = image
    if image.mode.startswith("I"):  # 16 bits of grey; converting to L alone would cut off instead of scale
        pixels = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    elif image.mode in ("1", "P", "PA"):
        pixels = image.convert("RGBA" if image.has_transparency_data else "RGB")
    pixels.thumbnail((side, side), Image.Resampling.LANCZOS)
    return pixels


def _accepted_formats() -> list[str]:
    return ["JPEG", "PNG", "WEBP", *([_HEIC_FORMAT] if heic_is_accepted() else [])]


def _check_header(image: "ImageFile.ImageFile") -> None:
    """Refuse an image that its header says is too large, or has several frames."""
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise TooManyPixels
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise AnimatedImage
