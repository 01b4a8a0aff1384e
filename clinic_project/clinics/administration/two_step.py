"""The pages of the two-step login: the second step of logging in, setting it up, and removing it."""

import functools
import time
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import REDIRECT_FIELD_NAME, update_session_auth_hash
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_noop

from clinic_project.api.models import Authenticator
from clinic_project.api.one_time_codes import new_secret, provisioning_uri

from ..forms import CodeForm, EnrollmentForm
from ..models import User
from ..two_step import must_enroll, remove_authenticator
from .unavailable import View

#: What apps show the codes under.
ISSUER = "Clinic records"
#: Seconds in which the second step has to follow the first.
SECONDS_BETWEEN_STEPS = 300

_FIRST_STEP, _SECRET = "two_step_login", "two_step_secret"

#: What those may open who have to set up the two-step login first.
WITHOUT_ENROLLMENT = {"admin:two_step_login", "admin:logout", "admin:jsi18n"}


def leading_to_enrollment(view: View) -> View:
    """Wrap `view`: whoever has to set up the two-step login first is led there."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        name = request.resolver_match and request.resolver_match.view_name
        if name not in WITHOUT_ENROLLMENT and must_enroll(cast("Any", request.user)):
            return redirect("admin:two_step_login")
        return view(request, *args, **kwargs)

    return wrapped


def begin_second_step(request: HttpRequest, user: User) -> HttpResponse:
    """Remember that `user` has given the right password, and lead to where they are asked for the code."""
    request.session[_FIRST_STEP] = {"user": user.pk, "hash": user.get_session_auth_hash(), "at": time.time()}
    to = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME)
    query = f"?{urlencode({REDIRECT_FIELD_NAME: to})}" if to else ""
    return HttpResponseRedirect(reverse("admin:login_code") + query)


def _after_first_step(request: HttpRequest) -> User | None:
    """Return who has given the right password a moment ago, if all that it led to still holds."""
    first = request.session.get(_FIRST_STEP)
    if not first or time.time() - first["at"] > SECONDS_BETWEEN_STEPS:
        return None
    user = User.objects.filter(pk=first["user"], is_active=True, is_staff=True).first()
    return user if user and constant_time_compare(user.get_session_auth_hash(), first["hash"]) else None


class LoginCodeForm(CodeForm):
    def get_user(self) -> User:
        return self.user


class SecondStepView(LoginView):
    """Asks for the code, and logs in."""

    template_name = "admin/clinics/login_code.html"
    authentication_form: Any = LoginCodeForm
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.user = _after_first_step(request)
        if self.user is None:
            return redirect_to_login(self.get_redirect_url() or reverse("admin:index"), reverse("admin:login"))
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"request": self.request, "user": self.user, "data": self.request.POST or None}

    def form_valid(self, form: Any) -> HttpResponse:
        del self.request.session[_FIRST_STEP]
        return super().form_valid(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        return with_status_of(form, super().form_invalid(form))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, **admin.site.each_context(self.request), title=gettext("Log in"))


def own_page(request: HttpRequest) -> HttpResponse:
    """Let somebody set up their two-step login, or change and remove it."""
    user: Any = request.user
    return _enrollment(request, user) if user.enrolled_at is None else _enrolled(request, user)


def _enrollment(request: HttpRequest, user: User) -> HttpResponse:
    secret = request.session.setdefault(_SECRET, new_secret())
    form = EnrollmentForm(request, user, secret, request.POST or None)
    if form.is_valid() and form.recovery_codes is not None:
        del request.session[_SECRET]
        update_session_auth_hash(request, user)
        record(request, user, gettext_noop("Set up the two-step login."))
        return _recovery_codes(request, form.recovery_codes, gettext("The two-step login is set up"))
    uri = provisioning_uri(secret, user.email, ISSUER)
    groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
    context = {"uri": uri, "qr_code": qr_code(uri), "secret": groups, "is_required": must_enroll(user)}
    return _page(
        request, "admin/clinics/two_step_enrollment.html", gettext("Set up the two-step login"), form, **context
    )


def _enrolled(request: HttpRequest, user: User) -> HttpResponse:
    form = CodeForm(request, user, request.POST or None)
    if form.is_valid():
        if "remove" in request.POST:
            remove_authenticator(user)
            update_session_auth_hash(request, user)
            record(request, user, gettext_noop("Removed the two-step login."))
            said = gettext("The two-step login is removed. You now log in with your password alone.")
            messages.success(request, said)
            return HttpResponseRedirect(reverse("admin:index"))
        record(request, user, gettext_noop("Made new recovery codes."))
        codes = Authenticator.objects.renew_recovery_codes(user)
        return _recovery_codes(request, codes, gettext("New recovery codes"))
    authenticator = Authenticator.objects.get(user=user)
    context = {"authenticator": authenticator, "left": len(authenticator.recovery_digests)}
    return _page(request, "admin/clinics/two_step.html", gettext("Two-step login"), form, **context)


def _recovery_codes(request: HttpRequest, codes: list[str], title: str) -> HttpResponse:
    return _page(request, "admin/clinics/recovery_codes.html", title, codes=codes)


def _page(
    request: HttpRequest, template: str, title: str, form: forms.Form | None = None, **context: Any
) -> HttpResponse:
    page = {**admin.site.each_context(request), "title": title, "form": form, **context}
    return with_status_of(form, render(request, template, page))


def with_status_of(form: Any, response: HttpResponse) -> HttpResponse:
    """Give `response` the status 429 if too many attempts have failed for `form`."""
    if refused := getattr(form, "refused", None):
        response.status_code, response["Retry-After"] = refused.status_code, str(refused.wait)
    return response


def qr_code(text: str) -> SafeString:
    """Draw `text` as SVG: attributes alone, as the Content-Security-Policy requires, dark on light in both themes."""
    import segno

    return mark_safe(segno.make(text, error="m").svg_inline(scale=5, dark="#000", light="#fff"))  # noqa: S308 - text is in no markup


def remove_others(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a superuser remove the two-step login of somebody who has lost their phone and their recovery codes."""
    user = get_object_or_404(User, pk=pk)
    if not request.user.is_superuser or user == request.user:
        raise PermissionDenied
    if request.method == "POST":
        if remove_authenticator(user):
            record(request, user, gettext_noop("Removed the two-step login."))
        said = gettext("The two-step login of %(user)s is removed. They log in by their password alone now.")
        messages.success(request, said % {"user": user})
        return HttpResponseRedirect(reverse("admin:clinics_user_change", args=[pk]))
    return _page(request, "admin/clinics/two_step_removal.html", gettext("Remove the two-step login"), object=user)


def record(request: Any, user: User, what: str) -> None:
    """Write into Django's log who did `what`, in English, to `user`: their page shows it, translated, as history."""
    LogEntry.objects.log_actions(request.user.pk, [user], CHANGE, what, single_object=True)
