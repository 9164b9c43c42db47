"""The catalogue of one domain: its documents on disk and the indexes that follow them."""

from segue.retrieve.catalogue.catalogue import Catalogue, Progress, Report, Snapshot
from segue.retrieve.catalogue.documents import Document
from segue.retrieve.catalogue.roles import Roles, Wishes

__all__ = ["Catalogue", "Document", "Progress", "Report", "Roles", "Snapshot", "Wishes"]
