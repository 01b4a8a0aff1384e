"""What `manage.py purge_trash` says, and whether a row is still there."""

from io import StringIO

from django.core.management import call_command


def purge(*options: str) -> str:
    output = StringIO()
    call_command("purge_trash", *options, stdout=output)
    return output.getvalue().strip()


def exists(row) -> bool:
    return type(row).objects.filter(pk=row.pk).exists()
