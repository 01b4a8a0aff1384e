"""The REST API of templates, records and photos: a module with a viewset for each, and what they share."""
