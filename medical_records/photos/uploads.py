"""A photo's upload, step by step:

1. `check_usable` refuses a patient or record that can't have it, before any work is done.
2. `process_image` makes of the bytes the image that is kept.
3. `add_photo` writes its file and its row, or neither. Under locks, it checks once more what step 1 did.
"""

import logging

from django.utils import timezone
from django.utils.translation import gettext as _

from clinic_project.api.etags import RowVersion
from clinic_project.audit import transactions
from clinic_project.clinics.models import Patient, User

from ..exceptions import UnusableReference
from ..models import MedicalRecord, PatientPhoto, check_in_use
from .file_names import clean_file_name
from .processing import CONTENT_TYPE, ProcessedImage, process_image
from .storage import PhotoFile, delete_unreferenced

logger = logging.getLogger(__name__)


def upload_photo(
    data: bytes,
    patient: Patient,
    *,
    filename: str,
    description: str | None,
    record: MedicalRecord | None,
    uploaded_by: User,
) -> PatientPhoto:
    """Keep the image in the uploaded `data`, and return its new row, as `add_photo`. Raises ImageError, too."""
    check_usable(patient, record)
    image = process_image(data)
    return add_photo(image, patient, filename=filename, description=description, record=record, uploaded_by=uploaded_by)


def add_photo(
    image: ProcessedImage,
    patient: Patient,
    *,
    filename: str,
    description: str | None = None,
    record: MedicalRecord | None = None,
    uploaded_by: User | None = None,
) -> PatientPhoto:
    """Keep `image`, and return its new row as it was committed: in the patient's gallery, or pending for `record`.

    Raises UnusableReference for a patient who is deleted, a record in the trash, or another patient's; StorageUnavailable.
    """
    file = PhotoFile(patient.clinic_id, image.sha256)
    photo = PatientPhoto(
        clinic_id=patient.clinic_id,
        patient=patient,
        medical_record=record,
        filename=clean_file_name(filename),
        storage_key=file.key,
        thumbnail_key=file.thumbnail_key,
        content_hash=file.sha256,
        content_type=CONTENT_TYPE,
        size_bytes=len(image.jpeg),
        description=description,
        is_pending=record is not None,
        is_deleted=False,
        created_at=timezone.now(),
        uploaded_by_user=uploaded_by,
    )
    return _saved(photo, file, image)


def check_usable(patient: Patient, record: MedicalRecord | None) -> None:
    """Raise UnusableReference unless photos may be added to `patient`, and for `record`."""
    check_in_use(patient)
    if record is not None and record.patient_id != patient.pk:
        raise UnusableReference("medical_record_id", _("This is another patient's record."))
    if record is not None and record.is_deleted:
        raise UnusableReference("medical_record_id", _("This record is in the trash."))


def _saved(photo: PatientPhoto, file: PhotoFile, image: ProcessedImage) -> PatientPhoto:
    try:
        with transactions.atomic():
            file.lock()
            file.save(image)
            # The record's lock is the last taken: who saves or deletes the record waits for one INSERT, not for the storage.
            check_usable(photo.patient, _locked_record(photo))
            PatientPhoto.objects.insert(photo)
            # Read before others can change it, and after a trigger may have.
            return PatientPhoto.objects.annotate(row_version=RowVersion("pk")).get(pk=photo.pk)
    except BaseException:  # a worker that is told to stop must clean up as well
        delete_quietly(file)
        raise


def _locked_record(photo: PatientPhoto) -> MedicalRecord | None:
    if photo.medical_record_id is None:
        return None
    record = photo.lock_record()
    if record is None:
        raise UnusableReference("medical_record_id", _("This record has just been removed for good."))
    return record


def delete_quietly(file: PhotoFile) -> None:
    """Delete the file of an upload that failed, unless a photo refers to it; whatever fails here is only logged."""
    try:
        delete_unreferenced([file])
    except Exception:  # the error that led here is the one to report
        logger.exception("The file of a failed upload is left to purge_trash: %s", file.key)
