"""A request becomes hypotheses: which domain, what is wanted, of what, and how sure that is."""

from segue.understand.choice import Choice, fit
from segue.understand.language import Spoken, cue_words, listen

__all__ = ["Choice", "Spoken", "cue_words", "fit", "listen"]
