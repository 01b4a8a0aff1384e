"""The REST API of credentials, patients and appointments, and the base viewset of everything that belongs to a clinic."""
