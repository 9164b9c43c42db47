"""Heterogeneous search: a small query tower on the index of a big encoder, its architecture searched for that.

Source: Duggal, Zhou, Yang, Xiong, Xia, Tu and Soatto, "Compatibility-aware Heterogeneous Visual Search" (CVPR 2021). Theirs
are images and convolutions; here are texts. A file each: `architecture` (what can be chosen, and what it costs), `tower` (the
small model), `supernet` (all of them in one, with shared weights), `losses`, `training`, `architecture_search` (evolution under
a cost cap), `query_encoder` (a trained tower on disk, served).
"""
