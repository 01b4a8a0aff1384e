"""Measurements of this project, by `python -m`. Nothing of the project imports them."""
