"""Django's backend for PostgreSQL, for several servers of which one takes writes: the setting DATABASES names it."""
