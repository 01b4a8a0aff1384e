"""The admin's forms for logging in, users and memberships."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AdminUserCreationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from rest_framework.exceptions import Throttled

from clinic_project.api.models import Authenticator
from clinic_project.api.throttles import count_attempt

from .models import Membership, Patient, User
from .two_step import INVALID_CODE, enroll


class CodeNeeded(Exception):
    """The password was right, and `user` has to send a code as well."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user = user


class CountedFormMixin:
    """Refuses for a while after too many failures, which are counted together with those of the API's login."""

    #: What it was refused by, if there were too many.
    refused: Any = None

    @contextmanager
    def counted(self, request: HttpRequest, email: str, *, code: bool = False) -> Iterator[None]:
        """Count what is done within as an attempt; it failed if it raises ValidationError."""
        try:
            attempt = count_attempt(request, email)
            if code:
                attempt.count(code=email)
        except Throttled as refused:
            self.refused = refused
            raise ValidationError(_too_many(self.refused.wait)) from None
        yield
        attempt.forget()


def _too_many(seconds: float | None) -> str:
    minutes = max(1, math.ceil((seconds or 0) / 60))
    said = ngettext(
        "Too many attempts have failed. Wait a minute.",
        "Too many attempts have failed. Wait %(minutes)d minutes.",
        minutes,
    )
    return said % {"minutes": minutes}


class LoginForm(CountedFormMixin, AdminAuthenticationForm):
    """Raises CodeNeeded, whatever else is asked of it, for those who have set up the two-step login."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        email, password = (self.cleaned_data.get(name) for name in ("username", "password"))
        if not (email and password):
            return super().clean()
        with self.counted(self.request, email):
            cleaned = super().clean()
        user = self.get_user()
        if isinstance(user, User) and user.enrolled_at is not None:
            raise CodeNeeded(user)
        return cleaned


class CodeInput(forms.TextInput):
    """Empty each time: a code that was wrong is good for nothing."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class CodeForm(CountedFormMixin, forms.Form):
    """Asks for a code of the user's authenticator app, or for a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=64,
        widget=CodeInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )

    def __init__(self, request: HttpRequest, user: User, data: Any = None) -> None:
        super().__init__(data)
        self.request, self.user = request, user

    def clean(self) -> None:
        if code := self.cleaned_data.get("code"):
            with self.counted(self.request, self.user.email, code=True):
                if not self.accept(code):
                    raise ValidationError(INVALID_CODE)

    def accept(self, code: str) -> bool:
        return Authenticator.objects.accept(self.user, code)


class EnrollmentForm(CodeForm):
    """Asks for the first code of an app that has been given `secret`; then `recovery_codes` are there."""

    recovery_codes: list[str] | None = None

    def __init__(self, request: HttpRequest, user: User, secret: str, data: Any = None) -> None:
        super().__init__(request, user, data)
        self.secret = secret

    def accept(self, code: str) -> bool:
        self.recovery_codes = enroll(self.user, self.secret, code)
        return self.recovery_codes is not None


class EmailIsFreeMixin:
    """Refuses an email that differs from another user's by case alone: both would log in as the same person."""

    def clean_email(self: Any) -> str:
        email: str = self.cleaned_data["email"]
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("A user with this email exists already."), code="unique")
        return email


class UserAddForm(EmailIsFreeMixin, AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


class UserForm(EmailIsFreeMixin, forms.ModelForm):
    """Without the password, which has a form of its own."""

    class Meta:
        model = User
        fields = ("email", "is_active", "is_staff", "is_superuser")


class MembershipForm(forms.ModelForm):
    """Offers the roles as checkboxes, and keeps those that another program has given."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Administrators also change templates and delete for good. Without any role, a member only reads."),
    )

    class Meta:
        model = Membership
        fields = ("user", "clinic", "full_name", "title", "roles", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = self.initial["roles"] = self.instance.role_names
        others = [(role, role) for role in held if role not in Membership.Role.values]
        roles = self.fields.get("roles")
        if isinstance(roles, forms.MultipleChoiceField):
            roles.choices = [*Membership.Role.choices, *others]


class PatientForm(forms.ModelForm):
    """Offers the genders as a choice, and keeps another program's."""

    gender = forms.TypedChoiceField(label=_("Gender"), required=False, empty_value=None)

    class Meta:
        model = Patient
        fields = ("clinic", "full_name", "birthday", "gender", "phone_number", "notes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = self.instance.gender
        others = [(held, held)] if held and held not in Patient.Gender.values else []
        gender = self.fields.get("gender")
        if isinstance(gender, forms.TypedChoiceField):
            gender.choices = [("", "---------"), *Patient.Gender.choices, *others]
