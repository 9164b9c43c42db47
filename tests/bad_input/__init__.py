"""A hundred kinds of bad input: each gives a clear error and loses nothing."""
