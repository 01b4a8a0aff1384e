"""The zip of an export: written once, sent once, never whole in memory."""

import hashlib
import io
import os
import zipfile
from datetime import UTC, datetime

import pytest

from medical_records.export.archive import Archive, PictureChanged

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def archive(picture: bytes = b"a picture", later: bytes = b"a picture") -> Archive:
    made = Archive(NOON)
    made.add("first.txt", b"one\n" * 1000)
    made.add_picture("photos/1.jpg", picture, lambda: later)
    with made.member("second.txt") as write:
        write(b"two")
        write(b" and three")
    made.add_picture("photos/2.jpg", b"another", lambda: b"another")
    made.finish()
    return made


def test_a_zip_reads_as_it_was_written():
    sent = b"".join(archive())
    with zipfile.ZipFile(io.BytesIO(sent)) as found:
        assert found.testzip() is None
        assert found.read("first.txt") == b"one\n" * 1000
        assert found.read("photos/1.jpg") == b"a picture"
        assert found.read("second.txt") == b"two and three"
        assert found.getinfo("photos/2.jpg").date_time == (2026, 3, 14, 12, 0, 0)


def test_its_length_is_known_before():
    made = archive()
    assert len(made) == len(b"".join(made))


def test_every_size_and_checksum_stands_before_what_it_is_of():
    # Readers that never seek, as Java's, take nothing else for stored members.
    with zipfile.ZipFile(io.BytesIO(b"".join(archive()))) as found:
        assert not any(member.flag_bits & 0x08 for member in found.infolist())


def test_the_sums_are_those_of_the_members():
    with zipfile.ZipFile(io.BytesIO(b"".join(archive()))) as found:
        sums = dict(line.split("  ")[::-1] for line in found.read("SHA256SUMS").decode().splitlines())
        members = {name for name in found.namelist() if name != "SHA256SUMS"}
        assert sums == {name: hashlib.sha256(found.read(name)).hexdigest() for name in members}


def test_pictures_take_no_room_before_they_are_sent():
    picture = bytes(50_000_000)
    made = archive(picture, picture)
    assert len(made) > 50_000_000
    # Blocks are of 512 bytes, as POSIX has it.
    assert os.fstat(made._file._file.fileno()).st_blocks * 512 < 1_000_000
    made.close()


@pytest.mark.parametrize("later", [b"another 1", b"", b"a longer picture"])
def test_a_picture_that_changes_meanwhile_leaves_no_zip(later: bytes, caplog):
    made = archive(later=later)
    sent: list[bytes] = []
    with pytest.raises(PictureChanged):
        sent += made
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(sent)))
    assert "cut off" in caplog.text


def test_what_is_sent_in_part_lets_go_of_the_file():
    made = archive()
    pieces = iter(made)
    next(pieces)
    pieces.close()
    assert made._file._file.closed
