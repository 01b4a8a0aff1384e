"""Adding a picture to a patient's photos: its file, then its row, or neither."""

import logging

from django.db import transaction
from django.utils import timezone

from clinic_project.clinics.models import Patient, User

from .file_names import clean_file_name
from .models import MedicalRecord, PatientPhoto
from .photo_files import PhotoFile
from .pictures import CONTENT_TYPE, Picture

logger = logging.getLogger(__name__)


def add_photo(  # noqa: PLR0913 - what an upload says
    picture: Picture,
    patient: Patient,
    *,
    filename: str,
    description: str | None = None,
    record: MedicalRecord | None = None,
    uploaded_by: User | None = None,
) -> PatientPhoto:
    """Keep `picture` and return its new row: in the patient's gallery, or pending for `record`.

    Raises MedicalRecord.DoesNotExist where the record has gone, to the trash or for good, since it was read.
    """
    file = PhotoFile(patient.clinic_id, picture.sha256)
    photo = PatientPhoto(
        clinic_id=patient.clinic_id,
        patient=patient,
        medical_record=record,
        filename=clean_file_name(filename),
        storage_key=file.key,
        thumbnail_key=file.thumbnail_key,
        content_hash=file.sha256,
        content_type=CONTENT_TYPE,
        size_bytes=len(picture.jpeg),
        description=description,
        is_pending=record is not None,
        is_deleted=False,
        created_at=timezone.now(),
        uploaded_by_user=uploaded_by,
    )
    _save(photo, file, picture)
    return photo


def _save(photo: PatientPhoto, file: PhotoFile, picture: Picture) -> None:
    try:
        with transaction.atomic():
            file.lock()
            file.keep(picture)
            if photo.medical_record is not None:
                # The last lock taken: whoever saves or deletes the record waits for one INSERT, not for the storage.
                _lock_in_use(photo.medical_record)
            photo.save(force_insert=True)
    except BaseException:  # a worker that is told to stop must clean up as well
        _discard_quietly(file)
        raise


def _lock_in_use(record: MedicalRecord) -> None:
    same = MedicalRecord.objects.filter(pk=record.pk, patient=record.patient_id, is_deleted=False)
    same.select_for_update(no_key=True).only("pk").get()


def _discard_quietly(file: PhotoFile) -> None:
    try:
        file.discard()
    except Exception:  # the error that led here is the one to report
        logger.exception("The file of a failed upload is left to purge_trash: %s", file.key)
