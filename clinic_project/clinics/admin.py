"""Users, clinics, memberships and patients in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic_project.api.searching import caseless_key

from .administration import destructions  # noqa: F401 - which registers its own
from .administration.base import ClinicModelAdmin
from .administration.filters import ClinicFilter, TrashFilter
from .administration.history import HistoryMixin
from .administration.log_messages import log_message
from .administration.scope import scope_of
from .administration.searching import PatientSearchMixin, search_patients, shown_clinics
from .administration.trash import TrashMixin
from .forms import LoginForm, MembershipForm, PatientForm, UserAddForm, UserForm
from .listing import listed
from .models import Clinic, Membership, Patient, User
from .people import names_of, person_name

admin.site.login_form = LoginForm
# Permissions come from memberships: users have no groups.
admin.site.unregister(Group)


class SuperusersWriteMixin(ClinicModelAdmin):
    """Staff see these rows of their clinics; who may log in, where, and as what, is up to superusers."""

    object_history_template = "admin/clinics/log_history.html"

    def has_role(self, request: HttpRequest, obj: Any | None) -> bool:
        return scope_of(request).is_unlimited

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Search emails for those alone who see them: by what is found, others would guess them letter by letter."""
        fields = super().get_search_fields(request)
        is_shown = scope_of(request).is_unlimited
        return [field for field in fields if is_shown or not field.endswith("email")]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show Django's log, in which sentences of ours are in English, in the reader's language, and people by name."""
        response = super().history_view(request, object_id, extra_context)
        entries = list((getattr(response, "context_data", None) or {}).get("action_list", ()))
        names = names_of([entry.user_id for entry in entries])
        for entry in entries:
            entry.user.name = names[entry.user_id]
            entry.message = log_message(entry)
        return response


@admin.register(User)
class UserAdmin(SuperusersWriteMixin, DjangoUserAdmin):
    """Staff see their colleagues. Passwords are set in a form of their own, and their hashes are never shown."""

    form = UserForm
    add_form = UserAddForm
    add_form_template = "admin/change_form.html"
    change_form_template = "admin/clinics/user_change_form.html"
    list_display = ["person", "is_active", "is_staff", "is_superuser", "last_login", "created_at"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email", "memberships__full_name"]
    ordering = ["email"]
    sortable_by = ()
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ["email", "password_is_set"]}),
        (_("Rights"), {"fields": ["is_active", "is_staff", "is_superuser"]}),
        (_("Two-step login"), {"fields": ["two_step_login"]}),
        (_("Dates"), {"fields": ["last_login", "created_at", "updated_at"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "usable_password", "password1", "password2"]})]
    readonly_fields = ["person", "password_is_set", "two_step_login", "last_login", "created_at", "updated_at"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        return super().get_queryset(request).annotate(name=person_name("pk"))

    def get_fieldsets(self, request: HttpRequest, obj: Any | None = None) -> Any:
        """Show the email to those who may change it, and to whom it belongs."""
        if obj is None or obj == request.user or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        (_, first), *others = super().get_fieldsets(request, obj)
        return [(None, {**first, "fields": ["person", *first["fields"][1:]]}), *others]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Let no address of the list filter by email either, as Django's own class lets none by password."""
        return not lookup.startswith("email") and super().lookup_allowed(lookup, value, request)

    def only_clinics(self, queryset: Any, clinic_ids: list[int]) -> models.QuerySet[User]:
        # A join would show a colleague in two clinics twice.
        memberships = Membership.objects.filter(user=models.OuterRef("pk"), clinic__in=clinic_ids)
        return queryset.filter(models.Exists(memberships))

    @admin.display(description=_("full name"))
    def person(self, user: User) -> str:
        return user.name

    @admin.display(description=_("password"))
    def password_is_set(self, user: User) -> str:
        return gettext("Set") if user.has_usable_password() and user.password else gettext("Not set")

    @admin.display(description=_("two-step login"))
    def two_step_login(self, user: User) -> str:
        if user.enrolled_at is None:
            return gettext("Not set up")
        return gettext("Set up on %(day)s") % {"day": date_format(localtime(user.enrolled_at))}


@admin.register(Clinic)
class ClinicAdmin(SuperusersWriteMixin):
    list_display = ["name", "is_active", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name"]
    ordering = ["name", "pk"]
    fields = ["name", "is_active", "created_at", "updated_at"]
    readonly_fields = ["created_at", "updated_at"]

    def only_clinics(self, queryset: Any, clinic_ids: list[int]) -> models.QuerySet[Clinic]:
        clinics: models.QuerySet[Clinic] = queryset.filter(pk__in=clinic_ids)
        return clinics

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_active": True, **super().get_changeform_initial_data(request)}


@admin.register(Membership)
class MembershipAdmin(HistoryMixin, SuperusersWriteMixin):
    form = MembershipForm
    list_display = ["full_name", "title", "clinic", "roles_held", "is_active"]
    list_filter = [ClinicFilter, "is_active"]
    list_select_related = ["clinic"]
    search_fields = ["full_name", "user__email"]
    ordering = ["full_name", "pk"]
    autocomplete_fields = ["user", "clinic"]
    fields = ["user", "clinic", "full_name", "title", "roles", "is_active", "created_at", "updated_at"]
    readonly_fields = ["roles_held", "created_at", "updated_at"]

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> Any:
        """Name the roles for whoever only reads, as the list does: Django would show them as JSON."""
        fields = super().get_fields(request, obj)
        if self.has_change_permission(request, obj):
            return fields
        return ["roles_held" if name == "roles" else name for name in fields]

    def only_clinics(self, queryset: Any, clinic_ids: list[int]) -> models.QuerySet[Membership]:
        memberships: models.QuerySet[Membership] = queryset.filter(clinic__in=clinic_ids)
        return memberships

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_active": True, **super().get_changeform_initial_data(request)}

    def name_with_patient(self, obj: Membership) -> str:
        return gettext("%(member)s in %(clinic)s") % {"member": obj, "clinic": obj.clinic}

    @admin.display(description=_("roles"))
    def roles_held(self, membership: Membership) -> str:
        return listed(membership.role_labels) or gettext("reads only")


@admin.register(Patient)
class PatientAdmin(HistoryMixin, PatientSearchMixin, TrashMixin):
    form = PatientForm
    list_display = ["full_name", "birthday_and_age", "phone_number", "gender_label", "clinic", "created_at"]
    list_filter = [TrashFilter, ClinicFilter]
    list_select_related = ["clinic"]
    list_defer = ["notes"]
    search_fields = ["full_name", "phone_number"]
    sortable_by = ()
    autocomplete_fields = ["clinic"]
    fields = ["clinic", "full_name", "birthday", "gender", "phone_number", "notes", "created_at"]
    readonly_fields = ["gender_label", "created_at"]

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """By name, as an index has it: one of a clinic's patients, or one of all, which doesn't know accents."""
        return [caseless_key("full_name") if shown_clinics(request) is None else "full_name", "pk"]

    def name_with_patient(self, obj: Patient) -> str:
        return obj.name_and_birthday

    def patient_of(self, obj: Patient) -> Patient:
        return obj

    def trash_question(self, obj: Patient) -> str:
        return gettext("Move the patient %(patient)s to the trash?") % {"patient": obj.name_and_birthday}

    @admin.display(description=_("birthday (age)"))
    def birthday_and_age(self, patient: Patient) -> str:
        return patient.born or "-"

    def search(self, request: HttpRequest, queryset: Any, text: str) -> Any:
        return search_patients(request, queryset, text)

    def get_fields(self, request: HttpRequest, obj: Patient | None = None) -> list[Any]:
        """Show the gender as people call it where it is only read."""
        is_read = obj is not None and not self.has_change_permission(request, obj)
        fields = super().get_fields(request, obj)
        return ["gender_label" if name == "gender" and is_read else name for name in fields]

    @admin.display(description=_("gender"))
    def gender_label(self, patient: Patient) -> str:
        return patient.gender_label

    def get_readonly_fields(self, request: HttpRequest, obj: Patient | None = None) -> list[str]:
        # Records and photos belong to the patient's clinic: a patient doesn't change it.
        return [*super().get_readonly_fields(request, obj), *(["clinic"] if obj else [])]
