"""A zip whose length is known before its first byte is sent, and which is never whole in memory or on the disk.

1. Texts are compressed into a temporary file, which has no name and goes with the process.
2. A picture is read, so that its checksum can be written before it; in the temporary file it leaves a hole of its size.
3. While the zip is sent, each picture is read once more, and fills its hole. One that isn't the same any more ends the
   response, which is then shorter than its Content-Length and has no end record: no program takes it for a zip.

So whatever else may fail, the database above all, has failed before the response begins.
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

logger = logging.getLogger(__name__)

_CHUNK = 256 * 1024

Write = Callable[[bytes], None]


class PictureChanged(Exception):
    """A picture isn't the one any more that the zip has the checksum of."""


@dataclass(frozen=True, slots=True)
class _Hole:
    """From `start` to `end`, the zip has what `read` returns, whose SHA-256 is this."""

    start: int
    end: int
    sha256: str
    read: Callable[[], bytes]

    def content(self) -> bytes:
        content = self.read()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise PictureChanged
        return content


class _HoledFile:
    """A temporary file that the zip is written to; while it `is_skipping`, what is written leaves a hole."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the zip
        self.is_skipping = False
        self.read, self.tell, self.seek = self._file.read, self._file.tell, self._file.seek
        self.flush, self.close = self._file.flush, self._file.close

    def write(self, data: bytes) -> int:
        if not self.is_skipping:
            return self._file.write(data)
        self._file.seek(len(data), 1)
        return len(data)


class Archive:
    """A zip: `write` and `add` its members, `finish` it, then send what it yields.

    `made_at` is the time of all members, in UTC, since a zip knows no time zones.
    """

    def __init__(self, made_at: datetime) -> None:
        self._file = _HoledFile()
        self._zip = ZipFile(self._file, "w")
        self._time = made_at.timetuple()[:6]
        self._holes: list[_Hole] = []
        self._size = 0
        self.sha256: dict[str, str] = {}

    def __len__(self) -> int:
        """How many bytes it has, once it is finished."""
        return self._size

    @contextmanager
    def member(self, name: str) -> Iterator[Write]:
        """Write a compressed member piece by piece, by the function that this gives. Only one is written at a time."""
        digest = hashlib.sha256()
        with self._zip.open(self._info(name, ZIP_DEFLATED), "w") as opened:

            def write(data: bytes) -> None:
                digest.update(data)
                opened.write(data)

            yield write
        self.sha256[name] = digest.hexdigest()

    def add(self, name: str, content: bytes) -> None:
        with self.member(name) as write:
            write(content)

    def add_picture(self, name: str, content: bytes, read: Callable[[], bytes]) -> None:
        """Add a member that isn't kept: `read` returns the same content when it is sent."""
        with self._zip.open(self._info(name, ZIP_STORED), "w") as opened:
            start = self._file.tell()
            self._file.is_skipping = True
            opened.write(content)
            self._file.is_skipping = False
        self.sha256[name] = hashlib.sha256(content).hexdigest()
        self._holes.append(_Hole(start, start + len(content), self.sha256[name], read))

    def finish(self) -> None:
        """Write the sums of all members, and the directory of the zip."""
        sums = "".join(f"{sha256}  {name}\n" for name, sha256 in self.sha256.items())
        self.add("SHA256SUMS", sums.encode())
        self._zip.close()
        self._size = self._file.seek(0, 2)

    def close(self) -> None:
        """Let go of the temporary file."""
        with suppress(OSError):  # where it is full, the directory of the zip can't be written either
            self._zip.close()
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes of the zip; raises where a picture can't be read any more, or isn't the same."""
        try:
            yield from self._pieces()
        except Exception:
            logger.exception("An export was cut off: a picture has changed, or can't be read any more.")
            raise
        finally:
            self.close()

    def _pieces(self) -> Iterator[bytes]:
        position = 0
        for hole in self._holes:
            yield from self._kept(position, hole.start)
            yield hole.content()
            position = hole.end
        yield from self._kept(position, self._size)

    def _kept(self, start: int, end: int) -> Iterator[bytes]:
        self._file.seek(start)
        while start < end:
            piece = self._file.read(min(_CHUNK, end - start))
            start += len(piece)
            yield piece

    def _info(self, name: str, compression: int) -> ZipInfo:
        info = ZipInfo(name, self._time)
        info.compress_type = compression
        return info
