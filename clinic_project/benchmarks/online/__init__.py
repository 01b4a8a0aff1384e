"""What a repair of a large table costs those who write to it: see __main__."""
