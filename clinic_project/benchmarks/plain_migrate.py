"""`manage.py migrate` as Django has it, with everything else as in this project: the yardstick for ours."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic_project.settings")
    import django
    from django.core.management.commands.migrate import Command

    django.setup()
    Command().run_from_argv(["manage.py", "migrate", *sys.argv[1:]])


if __name__ == "__main__":
    main()
