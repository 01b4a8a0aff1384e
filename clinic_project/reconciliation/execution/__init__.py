"""Stage 4: runs a plan while other sessions use the tables.

In: a connection, `conf.Budgets`, a `planning.plan.Plan`, and a `reporter.Reporter` that is called for each step. Out: the
changed database; the repairs that were abandoned, each with the refusal that says why; and notes.

`executor` runs the repairs of a plan, `rollback` drops what a migration declared; both get their locks through `locks`. Each
step is committed, so a run can be interrupted anywhere: the next one plans from the schema that it finds.
"""
