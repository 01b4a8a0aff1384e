"""How the admin behaves for every table of a clinic: who sees what, cheap lists, the trash."""
