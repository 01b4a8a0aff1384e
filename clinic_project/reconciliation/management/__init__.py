"""What people run: `migrate`, `reconcile`, `widen_keys` and `sqlmigrate`.

In: the command line, and what happens while a plan runs. Out: lines for a terminal, JSON or SQL, and an exit status. `base`
has what the commands say alike, `migrate_run` is one run of `migrate`, `console` writes.
"""
