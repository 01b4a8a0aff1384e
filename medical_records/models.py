"""Templates of medical records, the records made from them, and patients' photos.

Every database default is a `db_default`, so that rows which other programs insert get it too, and the declared indexes
are all there are: no foreign key makes one of its own. Names are those of the deployed tables.
"""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.audit.triggers import history_triggers
from clinic_project.clinics.models import Appointment, Clinic, Patient
from clinic_project.clinics.verbose_names import set_verbose_names
from clinic_project.reconciliation.indexes import LongNameIndex

from .deletion import set_null_unless_signed
from .exceptions import EnteredInError, NotSigned, Signed, UnusableReference
from .querysets import TIME_TO_SIGN, PhotoQuerySet, RecordQuerySet, TemplateQuerySet
from .triggers import PHOTO_TRIGGER, RECORD_TRIGGER

#: Photos on one record: requests that name all of them hold so many.
MAX_PHOTOS = 200
#: Characters of a photo's description.
MAX_PHOTO_DESCRIPTION = 2000

#: Of the lists of records, the newest first.
_NEWEST_FIRST = ("-created_at", "-id")
#: The records that lists show, in the trash or not, unless they are asked for others.
_NOT_IN_ERROR = Q(entered_in_error_at=None)


class MedicalRecordTemplate(models.Model):
    """A form that a clinic fills in for its patients; `template_fields` describes its `fields`."""

    clinic = models.ForeignKey(Clinic, models.PROTECT, db_index=False, related_name="medical_record_templates")
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    fields = models.JSONField()
    version = models.IntegerField(db_default=1)
    is_deleted = models.BooleanField(db_default=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    updated_at = models.DateTimeField(null=True, blank=True)
    updated_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )

    objects = TemplateQuerySet.as_manager()

    class Meta:
        db_table = "medical_record_templates"
        indexes = [
            LongNameIndex(fields=["clinic"], name="idx_medical_record_templates_clinic"),
            LongNameIndex(fields=["clinic", "is_deleted"], name="idx_medical_record_templates_deleted"),
        ]
        constraints = history_triggers("medical_record_templates")

    def __str__(self) -> str:
        return self.name

    @property
    def snapshot(self) -> dict[str, Any]:
        """What a record made from the template as it is now keeps of it."""
        return {"name": self.name, "description": self.description, "fields": self.fields}


class MedicalRecord(models.Model):
    """A template filled in for a patient.

    `template_snapshot` is a copy of the template as it was then; `values` maps the ids of its fields to the answers.

    `content_hash` is what was signed, see `signatures`. The database keeps that as it is, see `functions`, until an
    amendment makes a new version that isn't signed: `amendment_reason` says why the signed one before was changed. Users
    are named beside their ids, and these are no foreign keys: who goes has signed it all the same.
    """

    clinic = models.ForeignKey(Clinic, models.PROTECT, db_index=False, related_name="medical_records")
    patient = models.ForeignKey(Patient, models.PROTECT, db_index=False, related_name="medical_records")
    template = models.ForeignKey(MedicalRecordTemplate, models.PROTECT, db_index=False, related_name="medical_records")
    template_name = models.CharField(max_length=255)
    appointment = models.ForeignKey(
        Appointment, set_null_unless_signed, null=True, blank=True, db_index=False, related_name="medical_records"
    )
    template_snapshot = models.JSONField()
    values = models.JSONField()
    version = models.IntegerField(db_default=1)
    is_deleted = models.BooleanField(db_default=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    created_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    updated_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )

    signed_at = models.DateTimeField(null=True, blank=True)
    signed_by_user_id = models.IntegerField(null=True, blank=True)
    signed_by_name = models.CharField(max_length=255, null=True, blank=True)
    content_hash = models.CharField(max_length=64, null=True, blank=True)
    amended_at = models.DateTimeField(null=True, blank=True)
    amendment_reason = models.TextField(null=True, blank=True)
    entered_in_error_at = models.DateTimeField(null=True, blank=True)
    entered_in_error_by_user_id = models.IntegerField(null=True, blank=True)
    entered_in_error_by_name = models.CharField(max_length=255, null=True, blank=True)
    entered_in_error_reason = models.TextField(null=True, blank=True)

    objects = RecordQuerySet.as_manager()

    class Meta:
        db_table = "medical_records"
        indexes = [
            LongNameIndex(fields=["clinic"], name="idx_medical_records_clinic"),
            LongNameIndex(fields=["patient"], name="idx_medical_records_patient"),
            LongNameIndex(fields=["appointment"], name="idx_medical_records_appointment"),
            LongNameIndex(fields=["clinic", "patient", "is_deleted"], name="idx_medical_records_deleted"),
            LongNameIndex(fields=["clinic", "updated_at"], name="idx_medical_records_updated"),
            LongNameIndex(fields=["created_at"], name="idx_medical_records_created"),
            # For lists, the newest first: of a clinic, with the trash or without, and of a template.
            LongNameIndex(fields=["clinic", "-created_at", "-id"], name="idx_medical_records_clinic_created"),
            LongNameIndex(
                fields=["is_deleted", "clinic", "-created_at", "-id"], name="idx_medical_records_deleted_created"
            ),
            LongNameIndex(
                fields=["template", "is_deleted", "-created_at", "-id"], name="idx_medical_records_template_created"
            ),
            # The same without those entered in error; and these, and those that nobody has signed.
            LongNameIndex(
                # As the index of all: the planner would take that for cheaper than one that begins with the clinic.
                fields=["is_deleted", "clinic", *_NEWEST_FIRST],
                condition=_NOT_IN_ERROR,
                name="idx_medical_records_not_in_error_created",
            ),
            LongNameIndex(
                fields=["template", "is_deleted", *_NEWEST_FIRST],
                condition=_NOT_IN_ERROR,
                name="idx_medical_records_template_not_in_error",
            ),
            LongNameIndex(
                fields=["clinic", *_NEWEST_FIRST],
                condition=Q(entered_in_error_at__isnull=False),
                name="idx_medical_records_in_error_created",
            ),
            LongNameIndex(
                fields=["clinic", *_NEWEST_FIRST],
                condition=_NOT_IN_ERROR & Q(is_deleted=False, signed_at=None),
                name="idx_medical_records_unsigned_created",
            ),
        ]
        constraints = [*history_triggers("medical_records"), RECORD_TRIGGER]

    def __str__(self) -> str:
        return f"{self.template_name} ({self.pk})"

    @property
    def is_overdue(self) -> bool:
        """Whether it is to be signed, and hasn't been in the time after its last change: see `RecordQuerySet.overdue`."""
        if self.is_deleted or self.entered_in_error_at or self.signed_at:
            return False
        return self.updated_at < timezone.now() - TIME_TO_SIGN

    def check_changeable(self, *, amends: bool) -> None:
        """Raise ChangeRefused unless a record may be changed by an amendment, or by what isn't one."""
        if self.entered_in_error_at is not None:
            raise EnteredInError
        if amends and self.signed_at is None:
            raise NotSigned
        if self.signed_at is not None and not amends:
            raise Signed


class PatientPhoto(models.Model):
    """A photo of a patient. Uploaded for a record, it is pending until that record is saved with it.

    `storage_key` and `thumbnail_key` name files in the storage; `size_bytes` is the size of the stored image.
    """

    clinic = models.ForeignKey(Clinic, models.PROTECT, db_index=False, related_name="patient_photos")
    patient = models.ForeignKey(Patient, models.PROTECT, db_index=False, related_name="photos")
    medical_record = models.ForeignKey(
        MedicalRecord, models.CASCADE, null=True, blank=True, db_index=False, related_name="photos"
    )
    filename = models.CharField(max_length=255)
    storage_key = models.CharField(max_length=512)
    thumbnail_key = models.CharField(max_length=512, null=True, blank=True)
    content_hash = models.CharField(max_length=64, null=True, blank=True)
    content_type = models.CharField(max_length=100)
    size_bytes = models.IntegerField()
    description = models.TextField(null=True, blank=True)
    is_pending = models.BooleanField(db_default=True)
    is_deleted = models.BooleanField(db_default=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(null=True, blank=True)
    uploaded_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    updated_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )

    objects = PhotoQuerySet.as_manager()

    class Meta:
        db_table = "patient_photos"
        indexes = [
            LongNameIndex(fields=["clinic"], name="idx_patient_photos_clinic"),
            LongNameIndex(fields=["patient"], name="idx_patient_photos_patient"),
            LongNameIndex(fields=["medical_record"], name="idx_patient_photos_medical_record"),
            LongNameIndex(fields=["patient", "medical_record"], name="idx_patient_photos_patient_record"),
            LongNameIndex(fields=["clinic", "is_deleted"], name="idx_patient_photos_deleted"),
            LongNameIndex(fields=["clinic", "content_hash"], name="idx_patient_photos_dedup"),
            LongNameIndex(fields=["created_at"], name="idx_patient_photos_created"),
            LongNameIndex(fields=["is_pending", "clinic"], name="idx_patient_photos_pending"),
            LongNameIndex(fields=["clinic", "-created_at", "-id"], name="idx_patient_photos_clinic_created"),
        ]
        constraints = [*history_triggers("patient_photos"), PHOTO_TRIGGER]

    def __str__(self) -> str:
        return self.filename

    @property
    def caption(self) -> str:
        """What people call the photo: its description, or its file's name where it has none."""
        return self.description or self.filename

    def check_attachable(self, record: MedicalRecord) -> None:
        """Raise UnusableReference unless this photo may be put on `record`, or is on it already."""
        if self.patient_id != record.patient_id:
            raise UnusableReference("photo_ids", gettext("One of the photos is another patient's."))
        if self.is_deleted:
            raise UnusableReference("photo_ids", gettext("One of the photos is in the trash."))
        if self.medical_record_id not in {None, record.pk}:
            raise UnusableReference("photo_ids", gettext("One of the photos is on another record."))

    def lock_record(self) -> MedicalRecord | None:
        """Return the photo's record, if any, so that until the transaction ends nobody moves it to the trash."""
        if self.medical_record_id is None:
            return None
        return MedicalRecord.objects.filter(pk=self.medical_record_id).select_for_update(no_key=True).first()


def check_in_use(patient: Patient) -> None:
    """Raise UnusableReference where `patient` has been deleted: what they have stays as it is, or goes to the trash."""
    if patient.is_deleted:
        raise UnusableReference("patient_id", gettext("This patient has been deleted."))


set_verbose_names(
    MedicalRecordTemplate,
    _("medical record template"),
    _("medical record templates"),
    clinic=_("clinic"),
    name=_("name"),
    description=_("description"),
    fields=_("fields"),
    version=_("version"),
    is_deleted=_("is deleted"),
    deleted_at=_("deleted at"),
    created_at=_("created"),
    created_by_user=_("created by user"),
    updated_at=_("changed"),
    updated_by_user=_("updated by user"),
)
set_verbose_names(
    MedicalRecord,
    _("medical record"),
    _("medical records"),
    clinic=_("clinic"),
    patient=_("patient"),
    template=_("template"),
    template_name=_("template name"),
    appointment=_("appointment"),
    template_snapshot=_("template snapshot"),
    values=_("values"),
    version=_("version"),
    is_deleted=_("is deleted"),
    deleted_at=_("deleted at"),
    created_at=_("created"),
    updated_at=_("changed"),
    created_by_user=_("created by user"),
    updated_by_user=_("updated by user"),
    signed_at=_("signed at"),
    signed_by_user_id=_("signed by user id"),
    signed_by_name=_("signed by name"),
    content_hash=_("content hash"),
    amended_at=_("amended at"),
    amendment_reason=_("amendment reason"),
    entered_in_error_at=_("entered in error at"),
    entered_in_error_by_user_id=_("entered in error by user id"),
    entered_in_error_by_name=_("entered in error by name"),
    entered_in_error_reason=_("entered in error reason"),
)
set_verbose_names(
    PatientPhoto,
    _("patient photo"),
    _("patient photos"),
    clinic=_("clinic"),
    patient=_("patient"),
    medical_record=_("medical record"),
    filename=_("filename"),
    storage_key=_("storage key"),
    thumbnail_key=_("thumbnail key"),
    content_hash=_("content hash"),
    content_type=_("content type"),
    size_bytes=_("size bytes"),
    description=_("description"),
    is_pending=_("is pending"),
    is_deleted=_("is deleted"),
    deleted_at=_("deleted at"),
    created_at=_("created"),
    updated_at=_("changed"),
    uploaded_by_user=_("uploaded by user"),
    updated_by_user=_("updated by user"),
)
