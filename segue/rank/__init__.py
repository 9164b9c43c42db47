"""Candidates become an order: within a domain, and between domains."""

from segue.rank.merge import share_page

__all__ = ["share_page"]
