"""Documents of 512 to 1,024 tokens whose evidence stands at their start or beyond their 512th token, and texts to learn from."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segue.encode.pretrained import TorchEncoder

TABLE = 512
CLS, SEP = 101, 102
"""What stands before and after every text for BERT's tokenizer."""

Places = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions, the number of the document that answers each, and the documents' ids twice: evidence first, evidence last."""

    questions: list[str]
    answers: Places
    first: list[list[int]]
    last: list[list[int]]


def squad(encoder: TorchEncoder, data: Path, *, seed: int, paragraphs: int | None = None) -> Asked:
    """XQuAD's English questions; a document is the paragraph that answers, of at most 450 tokens, and Wikipedia text that does
    not, 640 to 1,020 tokens in all, drawn anew for each seed. Both orders hold the same text."""
    articles = json.loads((data / "xquad_en" / "xquad.en.json").read_text())["data"]
    parts = [
        ([one["question"] for one in part["qas"]], part["context"])
        for article in articles
        for part in article["paragraphs"]
    ]
    return _among(encoder, parts, wikipedia(data, "test"), seed, paragraphs)


def abstracts(encoder: TorchEncoder, data: Path, *, seed: int, most: int | None = None) -> Asked:
    """As `squad`: PubMedQA's questions of its test part, the abstracts that answer them, and other abstracts."""
    articles = json.loads((data / "pubmedqa" / "ori_pqal.json").read_text())
    tested = json.loads((data / "pubmedqa" / "test_ground_truth.json").read_text())
    parts = [([one["QUESTION"]], " ".join(one["CONTEXTS"])) for key, one in articles.items() if key in tested]
    others = (" ".join(one["CONTEXTS"]) for key, one in articles.items() if key not in tested)
    return _among(encoder, parts, others, seed, most)


def _among(
    encoder: TorchEncoder, parts: Sequence[tuple[list[str], str]], others: Iterable[str], seed: int, most: int | None
) -> Asked:
    draw = np.random.default_rng(seed)
    ids = encoder.tokenizer.whole([text for _, text in parts])
    found = [(asked, body) for (asked, _), body in zip(parts, ids, strict=True) if len(body) <= 450][:most]
    filler = np.concatenate([np.array(ids) for ids in encoder.tokenizer.whole(list(others))])
    first, last = [], []
    for _, body in found:
        # Long enough that the evidence can stand beyond the table.
        length = int(draw.integers(max(640, TABLE + len(body) + 1), 1021))
        start = int(draw.integers(len(filler) - length))
        rest = filler[start : start + length - len(body) - 2].tolist()
        first.append([CLS, *body, *rest, SEP])
        last.append([CLS, *rest, *body, SEP])
    asked = [(question, number) for number, (questions, _) in enumerate(found) for question in questions]
    return Asked([text for text, _ in asked], np.array([number for _, number in asked]), first, last)


def meetings(encoder: TorchEncoder, data: Path, part: str, *, most: int | None = None) -> Asked:
    """QMSum's specific queries; a document is 480 tokens of a meeting from where the evidence begins, and the 520 before it."""
    questions, first, last = [], [], []
    for meeting in _meetings(data, part):
        turns = encoder.tokenizer.whole([turn["content"] for turn in meeting["meeting_transcripts"]])
        starts = np.concatenate([[0], np.cumsum([len(turn) for turn in turns])])
        ids = [one for turn in turns for one in turn]
        for query in meeting["specific_query_list"]:
            begin = int(starts[int(query["relevant_text_span"][0][0])])
            evidence, before = ids[begin : begin + 480], ids[max(0, begin - 520) : begin]
            if len(before) == 520 and len(evidence) == 480:
                questions.append(query["query"])
                first.append([CLS, *evidence, *before, SEP])
                last.append([CLS, *before, *evidence, SEP])
    questions, first, last = questions[:most], first[:most], last[:most]
    return Asked(questions, np.arange(len(questions)), first, last)


_SPOKEN = 14_000


def texts_to_learn_from(data: Path) -> list[str]:
    """Wikipedia articles of WikiText-2's validation part and QMSum's training meetings; neither is asked about.

    Of each meeting the first 14,000 characters, so that there is about as much of both kinds.
    """
    spoken = [
        " ".join(turn["content"] for turn in meeting["meeting_transcripts"])[:_SPOKEN]
        for meeting in _meetings(data, "train")
    ]
    return [*wikipedia(data, "valid"), *spoken]


def wikipedia(data: Path, part: str) -> Iterator[str]:
    """The articles of a part of WikiText-2, its tokenisation undone as far as BERT's tokenizer needs."""
    article: list[str] = []
    for line in (data / "wikitext2_valid_test" / f"{part}.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("= ") and not line.startswith("= = "):
            if article:
                yield " ".join(article)
            article = []
        elif line and not line.startswith("="):
            for mark, plain in ((" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."), ("<unk> ", "")):
                line = line.replace(mark, plain)
            article.append(line)
    yield " ".join(article)


def _meetings(data: Path, part: str) -> Iterator[dict[str, list[dict[str, str]]]]:
    for kind in ("Academic", "Committee", "Product"):
        file = data / "qmsum" / f"{kind}_{part}.jsonl"
        if file.exists():  # one is too large to be published everywhere
            yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())
