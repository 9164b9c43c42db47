"""A query becomes candidates: the catalogue, one file a strategy, the selection policy, the memory of feedback."""
