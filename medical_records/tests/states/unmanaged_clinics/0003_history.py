# ruff: noqa: N999 (a migration's name)
"""Of the models that are not managed, nothing is recorded."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("clinics", "0001_initial")]
    operations = []
