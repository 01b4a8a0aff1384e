"""What to do about each difference, as a sub-plan: a module for each kind of object. Nothing here changes its arguments."""
