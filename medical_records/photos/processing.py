"""Makes of an uploaded image the one that is kept: upright, in sRGB, of limited size, without metadata.

Only decoded pixels are kept, so neither HTML that is called an image nor the place where a phone took it is stored.
"""

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

from .decoding import decode, open_image

#: Pixels of the longer side.
KEPT_SIDE = 2048
THUMBNAIL_SIDE = 300
CONTENT_TYPE = "image/jpeg"

_QUALITY = 85
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True)
class ProcessedImage:
    """An image as it is kept: a JPEG in sRGB without any metadata, its thumbnail, and the JPEG's SHA-256 in hex."""

    jpeg: bytes
    thumbnail: bytes
    sha256: str
    width: int
    height: int


def process_image(data: bytes) -> ProcessedImage:
    """Return what is kept of the uploaded `data`; equal data give equal images. Raises ImageError."""
    with open_image(data) as image:
        pixels = _upright(_opaque_srgb(decode(image, KEPT_SIDE)), _orientation(image))
    jpeg = _to_jpeg(pixels)
    # Made from the kept image, so that it follows from the hash alone.
    thumbnail = _thumbnail(jpeg)
    return ProcessedImage(jpeg, thumbnail, hashlib.sha256(jpeg).hexdigest(), pixels.width, pixels.height)


def _opaque_srgb(pixels: "Image.Image") -> "Image.Image":
    """Return `pixels` as RGB on white, converted from their ICC profile to sRGB."""
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
