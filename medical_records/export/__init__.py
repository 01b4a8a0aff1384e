"""A patient's copy of everything that a clinic has of them, as a zip; a template's records as CSV.

`patients` puts the zip together: `archive` is the zip itself, `reading` reads the rows, `pictures` adds the photos' files,
`page` writes what people read and `fhir` what other systems read. `template_csv` is by itself, and `responses` has the HTTP
responses with both.
"""
