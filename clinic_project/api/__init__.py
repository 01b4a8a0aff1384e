"""What every endpoint of the REST API shares: problems, pages, filters, parsers, versions, idempotency keys, tokens.

It knows no clinic and no record; their endpoints are in `clinic_project.clinics.api` and `medical_records.api`.
"""
