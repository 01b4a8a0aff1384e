"""How each kind of difference is brought about: one module a kind of object, each a set of pure functions."""
