"""Recognises decompression bombs: small files that would keep a decoder busy for seconds or minutes.

Pillow reads the parts of a file one by one, and libjpeg passes over every pixel again for each scan of a progressive
JPEG; both parts and scans can be a few bytes long, so that millions fit into an upload. On the scans:
https://libjpeg-turbo.org/pmwiki/uploads/About/TwoIssueswiththeJPEGStandard.pdf
"""

import re

#: Cameras and encoders make about ten.
MAX_SCANS = 100
#: Segments of a JPEG. A profile, a preview and editing data of several MB, 64 kB each, are some hundred.
MAX_SEGMENTS = 2000
#: Bytes between the segments of a JPEG's header, where none should be.
MAX_STRAY = 64 * 1024
#: Chunks of a PNG. Encoders write 8 kB at a time or more, which makes 1,280 of the largest upload.
MAX_CHUNKS = 20_000

_START_OF_IMAGE = b"\xff\xd8"
_START_OF_SCAN = b"\xff\xda"
_END_OF_IMAGE = b"\xff\xd9"
#: In a JPEG's coded data, 0xff is followed by 0x00, a restart (d0 to d7) or padding unless a marker begins.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_decompression_bomb(data: bytes) -> bool:
    """Whether decoding `data` would take much longer than its number of pixels explains."""
    if data.startswith(_START_OF_IMAGE):
        return _is_jpeg_bomb(data)
    return data.startswith(_PNG_SIGNATURE) and _is_png_bomb(data)


def _is_jpeg_bomb(jpeg: bytes) -> bool:
    segments, scans, stray, position = 0, 0, 0, len(_START_OF_IMAGE)
    while (marker := _MARKER.search(jpeg, position)) and marker[0] != _END_OF_IMAGE:
        segments += 1
        # Between the scans is their data; before the first there is nothing.
        stray += 0 if scans else marker.start() - position
        scans += marker[0] == _START_OF_SCAN
        if segments > MAX_SEGMENTS or scans > MAX_SCANS or stray > MAX_STRAY:
            return True
        # Skipping a segment by its length passes over a preview's markers in it.
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return False


def _is_png_bomb(png: bytes) -> bool:
    chunks, position = 0, len(_PNG_SIGNATURE)
    while position < len(png) and chunks <= MAX_CHUNKS:
        chunks += 1
        # Its length, its type, its data, its checksum.
        position += 4 + 4 + int.from_bytes(png[position : position + 4], "big") + 4
    return chunks > MAX_CHUNKS
