"""The admin's forms for logging in, users and memberships."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AdminUserCreationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from rest_framework.exceptions import Throttled

from clinic_project.api.throttles import count_attempt

from .models import Membership, User


class LoginForm(AdminAuthenticationForm):
    """Refuses for a while after too many failures, which are counted together with those of the API's login."""

    request: HttpRequest
    #: What it was refused by, if there were too many.
    refused: Throttled | None = None

    def clean(self) -> dict[str, Any]:
        email, password = (self.cleaned_data.get(name) for name in ("username", "password"))
        if not (email and password):
            return super().clean()
        try:
            attempt = count_attempt(self.request, email)
        except Throttled as refused:
            self.refused = refused
            raise ValidationError(
                "Too many logins have failed. Wait a minute, and try again.", code="throttled"
            ) from None
        cleaned = super().clean()
        attempt.forget()
        return cleaned


class EmailIsFreeMixin:
    """Refuses an email that differs from another user's by case alone: both would log in as the same person."""

    def clean_email(self: Any) -> str:
        email: str = self.cleaned_data["email"]
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError("A user with this email exists already.", code="unique")
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
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Administrators also change templates and delete for good. Without any role, a member only reads.",
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
