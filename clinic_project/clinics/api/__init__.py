"""The REST API of what records belong to: logging in and out, and the viewset of what belongs to a clinic."""
