"""Makes clinics and their people, for tests and for the demo.

Columns with a database default get the same value here, so that an instance can be used without reading it again.
"""

import datetime
from functools import cache
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from .models import Appointment, CalendarEvent, Clinic, Membership, Patient, User

#: The password of every user that is made without one.
PASSWORD = "correct-horse-battery"  # noqa: S105 - for tests and the demo, which refuses to run in production


@cache
def hashed_password(password: str) -> str:
    """Hash `password` once a process: a hash is slow by design, and many users share it here."""
    return make_password(password)


class ClinicFactory(factory.django.DjangoModelFactory[Clinic]):
    class Meta:
        model = Clinic

    name = factory.Sequence(lambda n: f"Clinic {n}")
    is_active = True
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.SelfAttribute("created_at")


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A user whose `password`, given in clear, is PASSWORD unless told otherwise."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"user{n}@clinic.example")
    password = PASSWORD
    is_superuser = False
    is_staff = False
    is_active = True
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.SelfAttribute("created_at")

    class Params:
        staff = factory.Trait(is_staff=True)
        superuser = factory.Trait(is_staff=True, is_superuser=True)

    @classmethod
    def _adjust_kwargs(cls, **kwargs: Any) -> dict[str, Any]:
        return {**kwargs, "password": hashed_password(kwargs["password"])}


class MembershipFactory(factory.django.DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    clinic = factory.SubFactory(ClinicFactory)
    full_name = factory.Faker("name")
    title = ""
    roles = factory.LazyFunction(lambda: [Membership.Role.PRACTITIONER.value])
    is_active = True
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.SelfAttribute("created_at")

    class Params:
        admin = factory.Trait(roles=factory.LazyFunction(lambda: [Membership.Role.ADMIN.value]))
        reader = factory.Trait(roles=factory.LazyFunction(list))


class PatientFactory(factory.django.DjangoModelFactory[Patient]):
    class Meta:
        model = Patient

    clinic = factory.SubFactory(ClinicFactory)
    full_name = factory.Faker("name")
    phone_number = factory.Sequence(lambda n: f"+1 555 {n // 10000:03} {n % 10000:04}")
    birthday = factory.Faker("date_of_birth", minimum_age=1, maximum_age=95)
    gender = factory.Faker("random_element", elements=["female", "male", "other"])
    notes = None
    is_deleted = False
    deleted_at = None
    created_at = factory.LazyFunction(timezone.now)

    class Params:
        in_trash = factory.Trait(is_deleted=True, deleted_at=factory.LazyFunction(timezone.now))


class CalendarEventFactory(factory.django.DjangoModelFactory[CalendarEvent]):
    class Meta:
        model = CalendarEvent

    user = factory.SubFactory(UserFactory)
    clinic = factory.SubFactory(ClinicFactory)
    event_type = "appointment"
    date = factory.LazyFunction(timezone.localdate)
    start_time = datetime.time(9, 0)
    end_time = datetime.time(9, 30)
    created_at = factory.LazyFunction(timezone.now)
    updated_at = factory.SelfAttribute("created_at")


class AppointmentFactory(factory.django.DjangoModelFactory[Appointment]):
    """An appointment in the patient's clinic."""

    class Meta:
        model = Appointment

    patient = factory.SubFactory(PatientFactory)
    calendar_event = factory.SubFactory(CalendarEventFactory, clinic=factory.SelfAttribute("..patient.clinic"))
    status = "confirmed"
    notes = None
