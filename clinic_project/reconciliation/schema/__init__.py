"""Stage 1: models and a database → the declared schema and the actual one, as the same frozen values.

In: a connection; the models of a project state, or the names of tables. Out: a `model.Schema`, from `declared` as the
models declare it, from `introspection` as the system catalogs have it. Nothing is changed in the database.
"""
