"""Template tags of the admin."""

from datetime import datetime
from typing import Any, cast

from django import template
from django.contrib.admin.templatetags.admin_list import date_hierarchy, result_list
from django.contrib.admin.views.main import ChangeList
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.timezone import localtime

from clinic_project.clinics.administration.drafts import draft_key, sent_draft
from clinic_project.clinics.administration.lists import IndexedDates
from clinic_project.clinics.administration.recent_actions import RecentAction, recent_actions
from clinic_project.clinics.people import without_address
from clinic_project.clinics.times import exact, zoned

register = template.Library()


@register.inclusion_tag("admin/date_hierarchy.html")
def indexed_date_hierarchy(change_list: ChangeList) -> dict[str, Any]:
    """Django's date hierarchy, which here finds its dates by index."""
    return date_hierarchy(cast("ChangeList", IndexedDates(change_list))) or {}


@register.simple_tag
def moment(at: datetime | None) -> SafeString | str:
    """Write a time to the second, as a `<time>`; nothing where there is none."""
    if at is None:
        return ""
    return format_html('<time datetime="{}">{}</time>', localtime(at).isoformat(), exact(at))


@register.inclusion_tag("admin/clinics/drafts.html", takes_context=True)
def drafts(context: template.Context) -> dict[str, Any]:
    """What the script that keeps drafts needs on each page, of which nobody may be logged in."""
    request = context.get("request")
    user = getattr(request, "user", None)
    is_known = user is not None and user.is_authenticated
    return {
        "user": user if is_known else None,
        "key": draft_key(user) if is_known else "",
        "sent": sent_draft(request) if request else "",
        "is_over": context.get("drafts_are_over", False),
    }


register.filter(without_address)
register.filter(zoned)


@register.simple_tag(takes_context=True, name="recent_actions")
def recent_actions_of(context: dict[str, Any]) -> list[RecentAction]:
    """Return what the person who sees the page has done lately."""
    return recent_actions(context["request"])


@register.inclusion_tag("admin/change_list_results.html")
def labelled_result_list(change_list: ChangeList) -> dict[str, Any]:
    """Django's rows, whose cells say what they are: where a row has no room, the stylesheet makes it a card."""
    shown: dict[str, Any] = result_list(change_list)
    labels = [header["text"] for header in shown["result_headers"]]
    for row in shown["results"]:
        row[:] = [_labelled(cell, label) for cell, label in zip(row, labels, strict=True)]
    return shown


def _labelled(cell: SafeString, label: str) -> SafeString:
    if not cell.startswith("<td") or 'class="action-checkbox"' in cell:
        return cell  # what a row is named by, and what it is chosen with
    start = format_html('<td data-label="{}"', capfirst(label))
    return mark_safe(start + cell.removeprefix("<td"))  # noqa: S308 - both parts are safe
