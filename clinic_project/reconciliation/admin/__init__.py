"""The admin's page "Schema": shows the same inspection and plan as the commands, and changes nothing."""
