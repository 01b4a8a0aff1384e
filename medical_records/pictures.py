"""From the bytes that a client calls a picture to the one that is kept: decoded, upright, small, only pixels.

Nothing of an upload survives but what a decoder made of it, so neither HTML under a picture's name nor the place where
a phone took it can be stored. `clean_picture` is the way in; it raises:

    PictureError
    ├── TooManyBytes    the file is larger than MAX_BYTES
    ├── TooManyPixels   its sides are, before any pixel was decoded
    ├── UnknownFormat   it isn't a picture, or of a kind that isn't accepted
    ├── MovingPicture   it has several frames
    └── BrokenPicture   it is cut short or corrupt
"""

import hashlib
import logging
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFile

from .decoder_traps import is_decoder_trap

logger = logging.getLogger(__name__)

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
#: A JPEG can't have more, in either direction: its header has 16 bits for each.
MAX_SIDE = 65_535
KEPT_SIDE = 2048
THUMBNAIL_SIDE = 300
CONTENT_TYPE = "image/jpeg"

_QUALITY = 85
_HEIC_FORMAT = "HEIF"
_ORIENTATION_TAG = 0x0112


class PictureError(Exception):
    """The upload can't be kept. The message is for the person who chose the file."""


class TooManyBytes(PictureError):
    def __init__(self) -> None:
        super().__init__(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Choose a smaller picture.")


class TooManyPixels(PictureError):
    def __init__(self) -> None:
        super().__init__(
            f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels, or more than {MAX_SIDE} a side. "
            "Make it smaller first."
        )


class UnknownFormat(PictureError):
    def __init__(self) -> None:
        kinds = "JPEG, PNG, WebP or HEIC" if heic_is_accepted() else "JPEG, PNG or WebP"
        super().__init__(f"The file isn't a {kinds} picture, whatever its name says. Choose a picture of these kinds.")


class MovingPicture(PictureError):
    def __init__(self) -> None:
        super().__init__("The picture is animated. Choose a still one.")


class BrokenPicture(PictureError):
    def __init__(self) -> None:
        super().__init__("The picture can't be read: it is damaged or cut short. Choose the original file again.")


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept: a JPEG in sRGB without any metadata, its thumbnail, and the JPEG's SHA-256 in hex."""

    jpeg: bytes
    thumbnail: bytes
    sha256: str
    width: int
    height: int


def clean_picture(data: bytes) -> Picture:
    """Return what is kept of the uploaded `data`; equal data give equal pictures.

    Raises PictureError, whose kinds the module lists.
    """
    if len(data) > MAX_BYTES:
        raise TooManyBytes
    pixels = _decode(data)
    jpeg = _to_jpeg(pixels)
    # Made from the kept picture, so that it follows from the hash alone.
    thumbnail = _thumbnail(jpeg)
    return Picture(jpeg, thumbnail, hashlib.sha256(jpeg).hexdigest(), pixels.width, pixels.height)


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


def _decode(data: bytes) -> "Image.Image":
    from PIL import Image, UnidentifiedImageError

    if is_decoder_trap(data):
        raise BrokenPicture
    try:
        with _open(data) as image:
            _check_header(image)
            return _upright(_opaque_srgb(_shrunk(image)), _orientation(image))
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise UnknownFormat from error
    except Image.DecompressionBombError as error:
        raise TooManyPixels from error
    except Exception as error:  # decoders raise anything, from struct.error to MemoryError, for what is broken
        logger.info("A picture of %d bytes can't be decoded: %s", len(data), type(error).__name__)
        raise BrokenPicture from error


def _open(data: bytes) -> "ImageFile.ImageFile":
    from PIL import Image

    formats = ["JPEG", "PNG", "WEBP"]
    if heic_is_accepted():
        formats.append(_HEIC_FORMAT)
    return Image.open(BytesIO(data), formats=formats)


def _check_header(image: "ImageFile.ImageFile") -> None:
    """Refuse what would cost too much to decode, or has frames, by what the file says of itself."""
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise TooManyPixels
    if image.format in ("PNG", "WEBP") and getattr(image, "is_animated", False):
        raise MovingPicture


def _shrunk(image: "ImageFile.ImageFile") -> "Image.Image":
    """Decode `image`, to at most KEPT_SIDE pixels a side, in a mode that can be resized well."""
    from PIL import Image

    # libjpeg halves a JPEG while decoding it; other formats ignore this.
    image.draft(None, (KEPT_SIDE, KEPT_SIDE))
    pixels: Image.Image = image
    if image.mode.startswith("I"):  # 16 bits of grey; converting to L alone would cut off instead of scale
        pixels = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    elif image.mode in ("1", "P", "PA"):
        pixels = image.convert("RGBA" if image.has_transparency_data else "RGB")
    pixels.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.LANCZOS)
    return pixels


def _opaque_srgb(pixels: "Image.Image") -> "Image.Image":
    """Return `pixels` as RGB on white, their colours those that their ICC profile means."""
    profile = pixels.info.get("icc_profile")
    if pixels.has_transparency_data:
        pixels = _on_white(pixels.convert("RGBA"))
    return (profile and _by_profile(pixels, profile)) or pixels.convert("RGB")


def _on_white(pixels: "Image.Image") -> "Image.Image":
    from PIL import Image

    white = Image.new("RGBA", pixels.size, "white")
    return Image.alpha_composite(white, pixels).convert("RGB")


def _by_profile(pixels: "Image.Image", profile: bytes) -> "Image.Image | None":
    """Convert by an ICC `profile`; None where it is broken, or made for pixels of another kind."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(pixels, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _orientation(image: "Image.Image") -> int:
    """Return how the camera was held, 1 to 8 as EXIF numbers it, and 1 where its EXIF can't be read."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 - broken EXIF raises anything too, and is no reason to refuse the pixels
        return 1


def _upright(pixels: "Image.Image", orientation: int) -> "Image.Image":
    from PIL import Image

    turns = (
        None,
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.ROTATE_180,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_90,
    )
    turn = turns[orientation - 1] if 1 <= orientation <= len(turns) else None
    return pixels if turn is None else pixels.transpose(turn)


def _to_jpeg(pixels: "Image.Image") -> bytes:
    # Pillow writes a comment that it read back into the file, unless it is gone from here.
    pixels.info.clear()
    output = BytesIO()
    pixels.save(output, "JPEG", quality=_QUALITY, optimize=True)
    return output.getvalue()


def _thumbnail(jpeg: bytes) -> bytes:
    from PIL import Image

    with Image.open(BytesIO(jpeg), formats=["JPEG"]) as image:
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        return _to_jpeg(image)
