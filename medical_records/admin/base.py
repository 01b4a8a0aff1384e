"""What templates, records and photos have in common in the admin."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.audit.destruction import retained_until
from clinic_project.clinics.administration.filters import ClinicFilter, TrashFilter
from clinic_project.clinics.administration.history import HistoryMixin
from clinic_project.clinics.administration.trash import TrashMixin
from clinic_project.clinics.people import names_of, person_name

from ..exceptions import ChangeRefused
from ..history import History, read_history


class ClinicalAdmin(HistoryMixin, TrashMixin):
    """What is changed by pages of its own or by the clinic's own program, and moved to the trash and restored."""

    refusals = (ChangeRefused,)
    list_filter: ClassVar[Any] = [TrashFilter, ClinicFilter]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-pk"]
    sortable_by: ClassVar[Any] = ["created_on"]

    class Media:
        css = {"all": ["medical_records/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def read_history(self, obj: Any) -> History:
        return read_history(obj)

    def kept_until(self, obj: Any) -> datetime | None:
        return retained_until(obj._meta.db_table, obj.pk)

    @admin.display(description=_("created"), ordering="created_at")
    def created_on(self, obj: Any) -> str:
        return _when(obj.created_at)

    @admin.display(description=_("changed"), ordering="updated_at")
    def updated_on(self, obj: Any) -> str:
        return _when(obj.updated_at)

    @admin.display(description=_("created"))
    def created(self, obj: Any) -> str:
        return when_and_by(obj.created_at, obj.created_by_user_id, obj.clinic_id)

    @admin.display(description=_("author"))
    def author(self, obj: Any) -> str | None:
        name: str | None = obj.author_name
        return name

    @admin.display(description=_("last change"))
    def updated(self, obj: Any) -> str:
        return when_and_by(obj.updated_at, obj.updated_by_user_id, obj.clinic_id)


def author_name() -> Coalesce:
    """Return, for a queryset, what the clinic of each row calls the user who made it."""
    return person_name("created_by_user", "clinic")


def _when(moment: datetime | None) -> str:
    """Short enough for a column, and the same to read in every country."""
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else "-"


def when_and_by(moment: datetime | None, user_id: int | None, clinic_id: int) -> str:
    """Return a time, and what the user is called in that clinic."""
    name = names_of([user_id], clinic_id).get(user_id)
    return gettext("%(when)s by %(name)s") % {"when": _when(moment), "name": name} if name else _when(moment)
