"""The rows that `manage.py load_demo` makes: two clinics for development."""
