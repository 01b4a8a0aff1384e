"""The demo's clinics and who works there."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clinic_project.clinics.factories import ClinicFactory, MembershipFactory, UserFactory, hashed_password
from clinic_project.clinics.models import Clinic, Membership, User

ADMIN, PRACTITIONER = Membership.Role.ADMIN.value, Membership.Role.PRACTITIONER.value

HARBOUR, NORTHGATE = "Harbour Street Clinic", "Northgate Family Practice"
#: How many patients each clinic has at scale 1.
PATIENTS: Mapping[str, int] = {HARBOUR: 40, NORTHGATE: 16}
#: Since when there are clinics, people and templates: before all records.
OPENED = datetime.datetime(2016, 4, 4, 8, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Person:
    """Somebody who may log in; `roles` by the name of the clinic. Emails end in .example, which nobody can own."""

    email: str
    full_name: str
    title: str
    about: str
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_superuser: bool = False


STAFF: Sequence[Person] = (
    Person("root@demo.example", "Robin Root", "", "superuser: sees every clinic", is_superuser=True),
    Person(
        "amara@harbour.example",
        "Amara Okafor",
        "Dr.",
        f"administrator and practitioner of {HARBOUR}",
        {HARBOUR: [ADMIN, PRACTITIONER]},
    ),
    Person(
        "jonas@harbour.example",
        "Jonas Lind",
        "Dr.",
        "practitioner of both clinics",
        {HARBOUR: [PRACTITIONER], NORTHGATE: [PRACTITIONER]},
    ),
    Person(
        "mei@northgate.example",
        "Mei Tanaka",
        "Dr.",
        f"administrator of {NORTHGATE}",
        {NORTHGATE: [ADMIN, PRACTITIONER]},
    ),
    Person("sam@harbour.example", "Sam Reyes", "", f"reads only, at {HARBOUR}", {HARBOUR: []}),
)


def load_staff(password: str) -> list[Clinic]:
    """Make the clinics and people that aren't there, give all people `password`, and return the clinics."""
    clinics = {name: _clinic(name) for name in PATIENTS}
    for person in STAFF:
        user = _user(person, password)
        for name, roles in person.roles.items():
            if not Membership.objects.filter(user=user, clinic=clinics[name]).exists():
                MembershipFactory(
                    user=user,
                    clinic=clinics[name],
                    full_name=person.full_name,
                    title=person.title,
                    roles=list(roles),
                    created_at=OPENED,
                )
    return list(clinics.values())


def demo_clinics() -> list[Clinic]:
    """Return those of the demo's clinics that are there: a clinic of the same name without its people is another's."""
    emails = [person.email for person in STAFF]
    found = Clinic.objects.filter(name__in=PATIENTS, memberships__user__email__in=emails)
    return list(found.distinct().order_by("pk"))


def _clinic(name: str) -> Clinic:
    existing = {clinic.name: clinic for clinic in demo_clinics()}
    return existing.get(name) or ClinicFactory.create(name=name, created_at=OPENED)


def _user(person: Person, password: str) -> User:
    user = User.objects.filter(email=person.email).first()
    if user is None:
        return UserFactory.create(
            email=person.email,
            password=password,
            is_staff=True,
            is_superuser=person.is_superuser,
            created_at=OPENED,
        )
    user.password = hashed_password(password)
    user.save(update_fields=["password"])
    return user
