"""Stage 1: what is declared and what is there, as the same frozen values.

In: a connection, a project state's models, the names of tables. Out: `model.Schema`, once as the models declare it
(`declared`) and once as the catalogs have it (`introspection`). Nothing is changed in the database.
"""
