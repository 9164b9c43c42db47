"""A request becomes hypotheses: which domain, what is wanted, of what, and how sure that is."""

from segue.understand.choice import Choice, fit
from segue.understand.language import Spoken, cue_words, listen
from segue.understand.merging import Decision, Merged, decide, merge
from segue.understand.reranker import Reranker

__all__ = ["Choice", "Decision", "Merged", "Reranker", "Spoken", "cue_words", "decide", "fit", "listen", "merge"]
