"""A new part is compared with the old one before it goes live."""
