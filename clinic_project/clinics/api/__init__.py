"""What every endpoint of the REST API stands on: credentials, the clinic, errors, pages, versions and request ids.

The endpoints of the records themselves are in `medical_records.api`; this package knows no record.
"""
