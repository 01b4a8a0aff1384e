"""The admin's page "Schema": the same inspection and plan as the commands have, shown and never run."""
