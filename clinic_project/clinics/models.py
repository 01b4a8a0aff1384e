"""What medical records belong to: users, clinics, memberships, patients, calendar events and appointments.

Each model declares the columns that this project uses; an existing clinic's tables have more, and keep them. No foreign
key makes an index of its own: the declared indexes are all there are.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import identify_hasher, make_password
from django.db import DatabaseError, models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from clinic_project.api.models import Authenticator
from clinic_project.api.searching import caseless_key, digits_key
from clinic_project.audit.triggers import history_triggers
from clinic_project.reconciliation.indexes import LongNameIndex

from .ages import age_text
from .querysets import AppointmentQuerySet, PatientQuerySet
from .verbose_names import set_verbose_names


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user who logs in as `username`, however it is capitalised.

        If an existing clinic has two users whose emails differ in nothing else, it has to be spelt exactly.
        """
        try:
            return self.get(email__iexact=username)
        except self.model.MultipleObjectsReturned:
            return self.get(email=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class User(AbstractBaseUser):
    """A person who logs in by email. Their memberships say what they may see and change.

    These stand for Django's groups and permissions, whose tables no clinic has. Superusers may do everything; active
    staff may work in the admin, where querysets limit what they see.
    """

    email = models.EmailField(max_length=255)
    password = models.CharField(max_length=128, db_default="")
    is_superuser = models.BooleanField(db_default=False)
    is_staff = models.BooleanField(db_default=False)
    is_active = models.BooleanField(db_default=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    #: Django's: what `set_password` was given, until it is saved.
    _password: str | None

    #: All memberships with their clinics, by the clinics' ids, where they were read with the user.
    known_memberships: "list[Membership] | None" = None

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        constraints = [
            # Not unique=True, which makes a second index, for LIKE, on a column that is never searched so.
            models.UniqueConstraint(fields=["email"], name="users_email_key"),
        ]

    @cached_property
    def enrolled_at(self) -> datetime | None:
        """When the user set up the two-step login; None if they haven't. Read with a session's user, else when asked for."""
        return Authenticator.objects.filter(user=self).values_list("enrolled_at", flat=True).first()

    @cached_property
    def name(self) -> str:
        """What the user is called: see `people`. Read when asked for, unless a list has brought it."""
        from .people import names_of

        return names_of([self.pk]).get(self.pk) or self._before_at

    @property
    def _before_at(self) -> str:
        return self.email.partition("@")[0]

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        """Name the row for programmers, and ask the database nothing: an error may be about it, or in the middle of it."""
        return f"<User: {self.pk}>"

    def get_short_name(self) -> str:
        """Return what the admin's pages greet the user by: the name, if the database has memberships.

        Else the page that shows what the database lacks couldn't be seen.
        """
        try:
            return self.name
        except DatabaseError:
            return self._before_at

    def get_session_auth_hash(self) -> str:
        """Return what a session is bound to: the password, and the two-step login where there is one."""
        return self._with_enrollment(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        yield from map(self._with_enrollment, super().get_session_auth_fallback_hash())

    def _with_enrollment(self, session_hash: str) -> str:
        return session_hash if self.enrolled_at is None else f"{session_hash} {self.enrolled_at.timestamp()}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and with another password revoke all access tokens; Django itself ends the sessions."""
        has_new_password = self._password is not None and self.pk is not None
        super().save(*args, **kwargs)
        if has_new_password:
            self.access_tokens.all().delete()

    def check_password(self, raw_password: str) -> bool:
        try:
            return super().check_password(raw_password)
        except ValueError:
            # Another system's hash, of a library that isn't installed, say. It takes as long as a wrong password.
            make_password(raw_password)
            return False

    def has_unknown_hash(self) -> bool:
        """Whether another system hashed the password in a way that can't be checked here, so that none is the right one."""
        try:
            identify_hasher(self.password).verify("", self.password)
        except ValueError:
            return bool(self.password) and self.has_usable_password()
        return False

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        return self.is_active and (self.is_superuser or self.is_staff)

    def has_perms(self, perm_list: list[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return self.has_perm(app_label)


class Clinic(models.Model):
    name = models.CharField(max_length=255)
    is_active = models.BooleanField(db_default=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "clinics"

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's place in a clinic. `roles` is a list of Role values; without any, a member only reads."""

    class Role(models.TextChoices):
        ADMIN = "admin", _("Admin")
        PRACTITIONER = "practitioner", _("Practitioner")

    user = models.ForeignKey(User, models.CASCADE, db_index=False, related_name="memberships")
    clinic = models.ForeignKey(Clinic, models.CASCADE, db_index=False, related_name="memberships")
    full_name = models.CharField(max_length=255)
    title = models.CharField(max_length=50, blank=True, db_default="")
    roles = models.JSONField(blank=True, db_default=[])
    is_active = models.BooleanField(db_default=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "user_clinic_associations"
        constraints = [
            models.UniqueConstraint(fields=["user", "clinic"], name="uq_user_clinic"),
            *history_triggers("user_clinic_associations"),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def role_names(self) -> list[str]:
        """The names in `roles`, which another program may have filled with any JSON; names that only it knows included."""
        held = self.roles if isinstance(self.roles, list) else []
        return [role for role in held if isinstance(role, str)]

    @property
    def role_labels(self) -> list[str]:
        """What people call the roles: `role_names`, but for those that are known here."""
        labels = dict(self.Role.choices)
        return [str(labels.get(role, role)) for role in self.role_names]


class Patient(models.Model):
    """Somebody who is treated. `gender` is a Gender, or what another program calls it."""

    class Gender(models.TextChoices):
        """As FHIR has them: https://hl7.org/fhir/R4/valueset-administrative-gender.html."""

        FEMALE = "female", _("female")
        MALE = "male", _("male")
        OTHER = "other", _("other")
        UNKNOWN = "unknown", _("unknown")

    clinic = models.ForeignKey(Clinic, models.PROTECT, db_index=False, related_name="patients")
    full_name = models.CharField(max_length=255)
    phone_number = models.CharField(max_length=50, null=True, blank=True)
    birthday = models.DateField(null=True, blank=True)
    gender = models.CharField(max_length=20, null=True, blank=True)
    notes = models.TextField(null=True, blank=True)
    is_deleted = models.BooleanField(db_default=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = PatientQuerySet.as_manager()

    class Meta:
        db_table = "patients"
        indexes = [
            LongNameIndex(fields=["clinic", "phone_number"], name="idx_patients_clinic_phone"),
            LongNameIndex(fields=["is_deleted", "clinic"], name="idx_patients_deleted"),
            # A clinic's patients by name. A search of names in use, or in the trash, reads nothing else.
            LongNameIndex(fields=["clinic", "full_name", "id", "is_deleted"], name="idx_patients_clinic_name"),
            # All clinics' patients by name, and those whose name or phone number begins as somebody searches.
            LongNameIndex(caseless_key("full_name"), "id", name="idx_patients_name"),
            LongNameIndex(digits_key("phone_number"), name="idx_patients_phone_digits"),
        ]
        constraints = history_triggers("patients")

    def __str__(self) -> str:
        return self.full_name

    @property
    def age(self) -> str:
        """How old the patient is today in the clinic's time zone; empty where that isn't known."""
        # An earlier state may have had another type.
        return age_text(self.birthday, timezone.localdate()) if isinstance(self.birthday, date) else ""

    @property
    def born(self) -> str:
        """The birthday with the age, for people: "2 Mar 1980 (46)"; empty where it isn't known."""
        if not isinstance(self.birthday, date):
            return ""
        day = date_format(self.birthday)
        return gettext("%(day)s (%(age)s)") % {"day": day, "age": self.age} if self.age else day

    @property
    def name_and_birthday(self) -> str:
        """What tells the patient from others of that name, for people: "Grace Hopper, born 2 Mar 1980 (46)"."""
        if not self.born:
            return gettext("%(name)s, birthday not known") % {"name": self.full_name}
        return gettext("%(name)s, born %(birthday)s") % {"name": self.full_name, "birthday": self.born}

    @property
    def gender_label(self) -> str:
        """What people call the gender; another program's word as it is, and nothing where it isn't known."""
        return str(dict(self.Gender.choices).get(self.gender or "", self.gender or ""))


class CalendarEvent(models.Model):
    user = models.ForeignKey(User, models.PROTECT, db_index=False, related_name="calendar_events")
    clinic = models.ForeignKey(Clinic, models.PROTECT, db_index=False, related_name="calendar_events")
    event_type = models.CharField(max_length=50)
    date = models.DateField()
    start_time = models.TimeField(null=True, blank=True)
    end_time = models.TimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "calendar_events"
        indexes = [
            LongNameIndex(fields=["clinic", "date", "event_type"], name="idx_calendar_events_clinic_date_type"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.date}"


class Appointment(models.Model):
    """A patient's visit: a calendar event, whose key is its own."""

    calendar_event = models.OneToOneField(CalendarEvent, models.CASCADE, primary_key=True)
    patient = models.ForeignKey(Patient, models.PROTECT, db_index=False, related_name="appointments")
    status = models.CharField(max_length=50, db_default="confirmed")
    notes = models.CharField(max_length=500, null=True, blank=True)

    objects = AppointmentQuerySet.as_manager()

    class Meta:
        db_table = "appointments"
        indexes = [LongNameIndex(fields=["patient"], name="idx_appointments_patient")]

    def __str__(self) -> str:
        return gettext("appointment %(id)s") % {"id": self.pk}


set_verbose_names(
    User,
    _("user"),
    _("users"),
    email=_("email"),
    password=_("password"),
    is_superuser=_("superuser"),
    is_staff=_("staff"),
    is_active=_("active"),
    created_at=_("created"),
    updated_at=_("changed"),
)
set_verbose_names(
    Clinic,
    _("clinic"),
    _("clinics"),
    name=_("name"),
    is_active=_("active"),
    created_at=_("created"),
    updated_at=_("changed"),
)
set_verbose_names(
    Membership,
    _("membership"),
    _("memberships"),
    user=_("user"),
    clinic=_("clinic"),
    full_name=_("full name"),
    title=pgettext_lazy("of a person", "title"),
    roles=_("roles"),
    is_active=_("active"),
    created_at=_("created"),
    updated_at=_("changed"),
)
set_verbose_names(
    Patient,
    _("patient"),
    _("patients"),
    clinic=_("clinic"),
    full_name=_("full name"),
    phone_number=_("phone number"),
    birthday=_("birthday"),
    gender=_("gender"),
    notes=_("notes"),
    is_deleted=_("is deleted"),
    deleted_at=_("deleted at"),
    created_at=_("created"),
)
