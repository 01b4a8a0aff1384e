"""Clinics, their people and their patients."""

import datetime as dt
from functools import cache

import factory
from django.contrib.auth.hashers import make_password
from factory.django import DjangoModelFactory

from clinic_project.clinics.models import Appointment, CalendarEvent, Clinic, Membership, Patient, User

#: The password of every user made here.
PASSWORD = "correct horse battery staple"


@cache
def _hashed_password() -> str:
    # Hashing takes a quarter of a second, and is meant to.
    return make_password(PASSWORD)


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"user{n}@clinic.example")

    password = factory.LazyFunction(_hashed_password)


class ClinicFactory(DjangoModelFactory):
    class Meta:
        model = Clinic

    name = factory.Sequence(lambda n: f"Clinic {n}")


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    clinic = factory.SubFactory(ClinicFactory)
    full_name = factory.Faker("name")
    roles = factory.LazyFunction(lambda: ["admin", "practitioner"])


class PatientFactory(DjangoModelFactory):
    class Meta:
        model = Patient

    clinic = factory.SubFactory(ClinicFactory)
    full_name = factory.Faker("name")


class CalendarEventFactory(DjangoModelFactory):
    class Meta:
        model = CalendarEvent

    user = factory.SubFactory(UserFactory)
    clinic = factory.SubFactory(ClinicFactory)
    event_type = "appointment"
    date = dt.date(2026, 5, 4)


class AppointmentFactory(DjangoModelFactory):
    class Meta:
        model = Appointment

    patient = factory.SubFactory(PatientFactory)
    calendar_event = factory.SubFactory(CalendarEventFactory, clinic=factory.SelfAttribute("..patient.clinic"))
