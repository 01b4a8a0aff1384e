"""What becomes of a record where Django deletes what it refers to: a value of `on_delete`."""

from typing import Any

from django.db.models import SET_NULL, Field, ProtectedError, QuerySet
from django.db.models.deletion import Collector
from django.utils.translation import gettext as _


def set_null_unless_signed(collector: Collector, field: "Field[Any, Any]", sub_objs: QuerySet[Any], using: str) -> None:
    """As SET_NULL, but that a signed record protects what its signature covers: it raises ProtectedError."""
    signed = sub_objs.filter(signed_at__isnull=False)
    if signed.exists():
        raise ProtectedError(
            _("A signed record refers to it by %(field)s, which its signature covers. Amend the record first.")
            % {"field": field.name},
            set(signed),
        )
    SET_NULL(collector, field, sub_objs, using)
