"""Who looked: what the admin's pages show of patients is noted for the access log, which administrators can read here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from clinic_project.audit.accesses import describe_access, show, things_of
from clinic_project.audit.models import Access
from clinic_project.clinics.access import ADMIN_ROLES
from clinic_project.clinics.access_log import ORDERING, accesses_to
from clinic_project.clinics.administration.cross_site import refuse_another_site
from clinic_project.clinics.administration.lists import EstimatingPaginator
from clinic_project.clinics.administration.object_pages import ObjectPagesMixin, of_object
from clinic_project.clinics.administration.scope import scope_of
from clinic_project.clinics.models import Patient
from clinic_project.clinics.people import names_of, without_address

from ..models import MedicalRecord, PatientPhoto

#: Accesses on a page, and ids of each that are named.
PER_PAGE, MAX_NAMED = 50, 10

ACTIONS: dict[str, Any] = {
    Access.Action.LIST: _("In a list"),
    Access.Action.VIEW: _("Opened"),
    Access.Action.FILE: _("Picture"),
    Access.Action.THUMBNAIL: _("Small picture"),
    Access.Action.HISTORY: _("History"),
    Access.Action.CHANGE: _("Changed"),
    Access.Action.PRINT: _("Print"),
    Access.Action.EXPORT: _("Export"),
    Access.Action.ACCESS_LOG: _("Who looked"),
}
VIA: dict[str, Any] = {"api": _("API"), "admin": pgettext_lazy("through the pages of the admin", "Admin")}


@dataclass(frozen=True, slots=True)
class NamedIds:
    """Records or photos by their ids: the first of them, with their pages, and how many others there are."""

    links: list[tuple[int, str]]
    others: int


@dataclass(frozen=True, slots=True)
class ShownAccess:
    """An access with its texts. `by` is what the user was called, or is now; empty where nobody knows."""

    access: Access
    by: str
    action: str
    via: str
    records: NamedIds
    photos: NamedIds


class AccessLogMixin(ObjectPagesMixin):
    """For patients, and for what a patient has: whatever page shows some of them leaves one row."""

    change_form_template = "admin/clinics/change_form.html"
    who_looked_template = "admin/medical_records/who_looked.html"
    #: Whether a list of these shows what patients have.
    is_list_noted: ClassVar[bool] = True

    def note_shown(self, request: HttpRequest, objects: Iterable[Any], action: str | None = None) -> None:
        note_shown(request, objects, action)

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        obj = super().get_object(request, *args, **kwargs)
        if obj is not None:
            self.note_shown(request, [obj])
        return obj

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        change_list = super().get_changelist_instance(request)
        if self.is_list_noted:
            self.note_shown(request, change_list.result_list, Access.Action.LIST)
        return change_list

    # The page of an object's accesses

    def get_urls(self) -> list[URLPattern]:
        return [self.object_path("who-looked", self.who_looked_view, "who_looked"), *super().get_urls()]

    def may_see_who_looked(self, request: HttpRequest, obj: Any) -> bool:
        return scope_of(request).has_role(ADMIN_ROLES, obj.clinic_id)

    def own_page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().own_page_context(request, obj)
        if self.may_see_who_looked(request, obj):
            context["who_looked_url"] = self.object_url("who_looked", obj.pk)
        return context

    @of_object
    def who_looked_view(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Show the accesses to an object, the latest first."""
        if not self.may_see_who_looked(request, obj):
            raise PermissionDenied
        describe_access(Access.Action.ACCESS_LOG)
        patient = obj if isinstance(obj, Patient) else obj.patient
        accesses = accesses_to(patient).filter(**_naming(obj)).order_by(*ORDERING)
        page = self.page_of(request, EstimatingPaginator(accesses, PER_PAGE))
        context = {
            **self.object_context(
                request, obj, gettext("Who looked: %(name)s") % {"name": self.name_with_patient(obj)}
            ),
            "accesses": _shown_accesses(patient.pk, list(page["page"].object_list)),
            **page,
        }
        return TemplateResponse(request, self.who_looked_template, context)


def note_shown(request: HttpRequest, objects: Iterable[Any], action: str | None = None) -> None:
    """Note for the access log that the page shows these: patients, records or photos. Raises AskedByAnotherSite."""
    refuse_another_site(request)
    objects = list(objects)
    describe_access(action, {obj.clinic_id for obj in objects}, scope_of(request).user.name)
    show(
        patients=[obj.pk for obj in objects if isinstance(obj, Patient)],
        records=[(obj.pk, obj.patient_id) for obj in objects if isinstance(obj, MedicalRecord)],
        photos=[(obj.pk, obj.patient_id) for obj in objects if isinstance(obj, PatientPhoto)],
    )


def _naming(obj: Any) -> dict[str, list[int]]:
    match obj:
        case MedicalRecord():
            return {"record_ids__contains": [obj.pk]}
        case PatientPhoto():
            return {"photo_ids__contains": [obj.pk]}
    return {}


def _shown_accesses(patient_id: int, accesses: list[Access]) -> list[ShownAccess]:
    names = names_of([access.user_id for access in accesses if not access.user_name])
    return [_shown_access(patient_id, access, names.get(access.user_id, "")) for access in accesses]


def _shown_access(patient_id: int, access: Access, name: str) -> ShownAccess:
    records, photos = things_of(patient_id, access.patient_ids, access.record_ids, access.photo_ids)
    return ShownAccess(
        access,
        by=without_address(access.user_name) or name,
        action=str(ACTIONS.get(access.action, access.action)),
        via=str(VIA.get(access.via, access.via)),
        records=_named("medicalrecord", records),
        photos=_named("patientphoto", photos),
    )


def _named(model: str, ids: list[int]) -> NamedIds:
    links = [(pk, reverse(f"admin:medical_records_{model}_change", args=[pk])) for pk in ids[:MAX_NAMED]]
    return NamedIds(links, len(ids) - len(links))
