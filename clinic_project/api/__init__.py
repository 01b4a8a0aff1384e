"""What every endpoint of the REST API shares: problems, pages, filters, parsers, versions, ETags, idempotency keys, tokens.

It imports neither clinics nor records, whose endpoints are in `clinic_project.clinics.api` and `medical_records.api`.
"""
