"""Template tags of the admin's lists."""

from typing import Any, cast

from django import template
from django.contrib.admin.templatetags.admin_list import date_hierarchy
from django.contrib.admin.views.main import ChangeList

from clinic_project.clinics.administration.lists import IndexedDates

register = template.Library()


@register.inclusion_tag("admin/date_hierarchy.html")
def indexed_date_hierarchy(change_list: ChangeList) -> dict[str, Any]:
    """Django's date hierarchy, which here finds its dates by index."""
    return date_hierarchy(cast("ChangeList", IndexedDates(change_list))) or {}
