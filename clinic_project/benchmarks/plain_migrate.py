"""`manage.py migrate` as Django has it, with everything else as in this project: the baseline of `nothing_to_do`."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic_project.settings")
    import django
    from django.core.checks.registry import registry
    from django.core.management.commands.migrate import Command

    django.setup()
    from clinic_project.reconciliation.checks import check_schema

    registry.registered_checks.discard(check_schema)  # Django's command would run it, and compare the schema as well
    Command().run_from_argv(["manage.py", "migrate", *sys.argv[1:]])


if __name__ == "__main__":
    main()
