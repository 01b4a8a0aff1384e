"""Photos that staff add to a record, or to a patient's gallery: each is saved at once, and is part of its record.

The same picture isn't added twice to one place, so that whoever doesn't know what became of an upload can repeat it.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from clinic_project.audit import transactions
from clinic_project.clinics.models import Patient, User

from .. import services
from ..exceptions import TooManyPhotos, UnusableReference
from ..models import MAX_PHOTOS, MedicalRecord, PatientPhoto
from ..querysets import PhotoQuerySet
from .processing import ProcessedImage, process_image
from .storage import PhotoFile
from .uploads import add_photo, check_usable, delete_quietly


@dataclass(frozen=True, slots=True)
class Place:
    """Where photos are added: a patient's gallery, or a record of that patient."""

    patient: Patient
    record: MedicalRecord | None = None

    @property
    def photos(self) -> PhotoQuerySet:
        """The photos that are there, without the trash."""
        return PatientPhoto.objects.of_patient(self.patient).active().filter(medical_record=self.record)

    def check(self) -> None:
        """Raise ChangeRefused unless photos may be added here."""
        check_usable(self.patient, self.record)
        if self.record is None:
            return
        if self.record.clinic_id != self.patient.clinic_id:  # as another program may have left it
            raise UnusableReference("medical_record_id", _("This record is in another clinic than its patient."))
        self.record.check_changeable(amends=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A file as it was uploaded: the name that the client gave it is cleaned before it is kept."""

    data: bytes
    filename: str
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """`is_new` is false for a photo that had been there already."""

    photo: PatientPhoto
    is_new: bool


def add_to(place: Place, picture: Picture, by: User) -> Addition:
    """Keep a picture at `place`: a record has the next version then, and the photo isn't pending.

    Where the picture is there already, it stays, and gets the caption, if there is one. Raises ChangeRefused, ImageError
    and StorageUnavailable, having kept nothing.
    """
    place.check()
    image = process_image(picture.data)
    file = PhotoFile(place.patient.clinic_id, image.sha256)
    try:
        with transactions.atomic():
            # Who adds the same picture at the same time waits here, and finds it then.
            file.lock()
            found = place.photos.filter(content_hash=image.sha256).order_by("pk").first()
            if found is None:
                return Addition(_added(place, image, picture, by), is_new=True)
            return Addition(_described(place, found, picture.caption, by), is_new=False)
    except BaseException:
        delete_quietly(file)
        raise


def _added(place: Place, image: ProcessedImage, picture: Picture, by: User) -> PatientPhoto:
    photo = add_photo(
        image,
        place.patient,
        filename=picture.filename,
        description=picture.caption,
        record=place.record,
        uploaded_by=by,
    )
    _attach(place, photo, by)
    return photo


def _described(place: Place, photo: PatientPhoto, caption: str | None, by: User) -> PatientPhoto:
    if photo.is_pending:
        photo.lock_record()
        _attach(place, photo, by)
    if caption and caption != photo.description:
        services.change_photo(place.photos, photo.pk, by, description=caption)
    return photo


def _attach(place: Place, photo: PatientPhoto, by: User) -> None:
    """Make a pending photo part of its record, whose row is locked: no other change can come between."""
    if place.record is None:
        return
    if place.photos.count() > MAX_PHOTOS:
        raise TooManyPhotos(MAX_PHOTOS)
    records = MedicalRecord.objects.for_clinic(place.patient.clinic_id)
    versions = records.filter(pk=place.record.pk).values_list("version", flat=True)
    services.attach_photos(records, place.record.pk, list(versions), [photo.pk], by)
