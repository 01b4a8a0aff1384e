"""A believable clinic for development: `manage.py load_demo`."""
