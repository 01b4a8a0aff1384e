"""Templates, records and photos in the admin, a module for each; and a patient's page, which shows them together."""

from . import patients, photos, records, templates

__all__ = ["patients", "photos", "records", "templates"]
