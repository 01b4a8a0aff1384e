"""Photos that are uploaded without HTTP, and the files that they leave in the storage."""

from pathlib import Path

from medical_records.models import PatientPhoto
from medical_records.photos.processing import ProcessedImage, process_image
from medical_records.photos.uploads import add_photo

from . import image_files

IMAGE = process_image(image_files.plain())
OTHER = process_image(image_files.plain(colour=image_files.BLUE))


def add(patient, image: ProcessedImage = IMAGE, **options) -> PatientPhoto:
    return add_photo(image, patient, **{"filename": "knee.png", **options})


def files_in(media: Path) -> list[Path]:
    return sorted(path for path in media.rglob("*") if path.is_file())
