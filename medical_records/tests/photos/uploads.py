"""Photos that are uploaded without HTTP, and the files that they leave in the storage."""

from pathlib import Path

from medical_records.demo.paintings import paint
from medical_records.factories import PatientPhotoFactory
from medical_records.models import MedicalRecord, PatientPhoto
from medical_records.photos.processing import ProcessedImage, process_image
from medical_records.photos.storage import PhotoFile
from medical_records.photos.uploads import add_photo

from . import image_files

IMAGE = process_image(image_files.plain())
OTHER = process_image(image_files.plain(colour=image_files.BLUE))


def add(patient, image: ProcessedImage = IMAGE, **options) -> PatientPhoto:
    return add_photo(image, patient, **{"filename": "knee.png", **options})


def put_photo(record: MedicalRecord, description: str) -> PatientPhoto:
    """Make a photo that is saved with `record`, and its files: a picture of the demo."""
    image = process_image(paint("skin", 1))
    file = PhotoFile(record.clinic_id, image.sha256)
    file.save(image)
    return PatientPhotoFactory.create(
        patient=record.patient,
        medical_record=record,
        storage_key=file.key,
        thumbnail_key=file.thumbnail_key,
        content_hash=file.sha256,
        description=description,
    )


def files_in(media: Path) -> list[Path]:
    """Return the photos' files, without what says whose they are."""
    return sorted(path for path in media.rglob("*.jpg") if path.is_file())
