"""The REST API of credentials, and the base viewset of everything that belongs to a clinic."""
