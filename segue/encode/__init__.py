"""encode: text → vectors. Import what you need from its file:

- `segue.encode.encoder`: the `Encoder` protocol;
- `segue.encode.quantised`: `OnnxEncoder`, for serving; never imports torch;
- `segue.encode.pretrained`: `minilm()` and `load(folder)` as a `TorchEncoder`, for training and for export;
- `segue.encode.export`: `export(encoder, folder)`, from a `TorchEncoder` to the artifact that `OnnxEncoder` opens;
- `segue.encode.transformer`, `attention`, `cache`: the network itself, encoder or decoder;
- `segue.encode.positions`: position families, all behind one method, FLOATER among them; `segue.encode.dynamics`: its solvers;
- `segue.encode.seq2seq`, `decoding`: text to text, by teacher forcing, greedily and by beam search.

This file imports nothing, so that a server which only encodes never pays for torch.
"""
