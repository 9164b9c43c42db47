"""The event log as User Behavior Insights (UBI), out and in: an answer is a UBI query, an action a UBI event.

Format: UBI 1.3 (https://github.com/o19s/ubi) as OpenSearch's bulk requests, one JSON object a line; so is OpenSearch's own
sample. Ordinals count from 0, as they do there; a place in an answer counts from 1.

What UBI has no word for (selection, propensities, scores, domains) lies whole under `segue` in `query_attributes` and
`event_attributes`: what Segue wrote comes back as it was, to the last bit. Records of others have no such part; their items
are looked up in the catalogues.
"""

from segue.recipes.ubi.out import Exported, export_ubi
from segue.recipes.ubi.reader import ACTIONS
from segue.recipes.ubi.report import Imported, summary
from segue.recipes.ubi.take_in import import_ubi

__all__ = ["ACTIONS", "Exported", "Imported", "export_ubi", "import_ubi", "summary"]
