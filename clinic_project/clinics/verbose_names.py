"""What people call models and their fields, in their language."""

from typing import Any

from django.db import models


def set_verbose_names(model: type[models.Model], singular: Any, plural: Any, **fields: Any) -> None:
    """Name `model` and its `fields`.

    Not as the fields' own `verbose_name`: migrations would have that, and a new word would be a new migration.
    """
    model._meta.verbose_name, model._meta.verbose_name_plural = singular, plural
    for name, verbose_name in fields.items():
        model._meta.get_field(name).verbose_name = verbose_name  # type: ignore[union-attr]
