"""The command line: parse, call one recipe or engine method, print."""

import os

# Before numpy and faiss are loaded: more threads than cores only wait, and fits are of small matrices.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

from segue.cli.common import Commands

_EVALUATE = {
    "search": (
        "measure:search_quality",
        "Every strategy, their union, rank fusion and the live policy, on judged queries.",
    ),
    "policy": (
        "measure:policy_quality",
        "Other policies, off-line: what people would have taken, judged from the log.",
    ),
    "reader": (
        "understand:reader_quality",
        "Readers and re-rankers, on labelled requests that they were not trained on.",
    ),
    "agent": ("agents:evaluate", "An agent, on instructions that it has not seen."),
}
_TRAIN = {
    "reader": ("understand:reader", "A reader for each domain of labelled requests: domain, intent and slots."),
    "reranker": ("understand:reranker", "A re-ranker for each domain, alone, so that domains compare."),
    "agent": ("agents:train", "An agent that follows instructions, from demonstrations alone."),
}
_ADAPT = {"agent": ("agents:adapt", "Let an agent make its own examples in a new place, and learn from them.")}
_SCORE = {"trajectory": ("agents:score", "Does a trajectory do what was asked?")}
_CAPTION = {"trajectory": ("agents:caption", "Name what a trajectory did.")}
_PUBLISH = {"agent": ("agents:publish", "Let an agent act in a store.")}
_RETIRE = {
    "reader": ("understand:retire_reader", "Ask a domain no more, unless a request names it."),
    "agent": ("agents:retire_agent", "Let nobody act in a domain any more."),
}
_RESTORE = {
    "reader": ("understand:restore_reader", "Ask a domain again that was retired."),
    "agent": ("agents:restore_agent", "Let the agent act again that was retired."),
}
_UPGRADE = {
    "plan": ("upgrade:plan", "What replacing the encoder changes and costs; nothing is done yet."),
    "train": ("train_encoder:train", "A compatible encoder, from the log or from judged queries."),
    "bridge": ("upgrade:bridge", "Make a candidate: a bridge from the stored vectors to a new encoder."),
    "gate": ("upgrade:gate", "May a candidate go live? Names what it breaks; exit code 1 where that is too much."),
    "live": ("upgrade:live", "Let the new encoder answer beside the old one, on the vectors that are there."),
    "backfill": ("upgrade:backfill", "Embed the items by the new encoder, behind the running store."),
    "finish": ("upgrade:finish", "Let the new encoder answer alone, once it has embedded every item."),
    "rollback": ("upgrade:rollback", "Go back one step, at any moment."),
    "status": ("upgrade:status", "Which encoder answers, which is to take over, and how far it is."),
}
_UBI = {
    "import": ("learning:import_", "Learn from the queries and events of FILE."),
    "export": ("learning:export", "Write the log to FILE."),
}
_COMMANDS = {
    "demo": ("serving:demo", "Build a store of films, songs and books, and serve it with the console."),
    "index": ("use:index", "Add or update the items of FILE: CSV, TSV, JSON Lines, JSON or Parquet."),
    "ask": ("use:ask", "Answer TEXT, and say why."),
    "feedback": ("use:feedback", "Tell what a person did with ITEM of ANSWER."),
    "serve": ("serving:serve", "Serve the console and the HTTP interface of a store."),
    "explain": ("use:explain", "Why ANSWER was given: what was understood, who was asked, what put results there."),
    "learn": ("learning:learn", "Learn a ranker for each domain from the log; the better one goes live."),
    "migrate": ("encoders:migrate", "Let a trained encoder read past the end of its position table."),
    "simulate": (
        "measure:simulate",
        "Let simulated people click on your own catalogue, and see what is learned from it.",
    ),
}
"""What needs more than a moment to import is imported when it is used."""


@click.group(
    cls=Commands, later=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="segue")
def main() -> None:
    """Takes a request in plain language to the right result, and learns from what people do with it.

    \b
    Start here:
      segue demo                                             films, songs and books, in your browser
      segue index FILE --domain NAME --store DIR             your own catalogue
      segue ask "mary poppins" --store DIR                   a question
      segue feedback ANSWER ITEM --action play --store DIR   what you did with a result
      segue serve --store DIR                                console and HTTP interface
    """


@main.group(cls=Commands, later=_EVALUATE)
def evaluate() -> None:
    """Measure: search on judged queries, policies from the log, readers on labelled requests, agents on instructions."""


@main.group(cls=Commands, later=_TRAIN)
def train() -> None:
    """Train what understands a request, or what carries one out."""


@main.group(cls=Commands, later=_ADAPT)
def adapt() -> None:
    """Make an agent fit for a new place."""


@main.group(cls=Commands, later=_SCORE)
def score() -> None:
    """Ask a learned reward."""


@main.group(cls=Commands, later=_CAPTION)
def caption() -> None:
    """Put into words what was done."""


@main.group(cls=Commands, later=_PUBLISH)
def publish() -> None:
    """Let a trained part serve in a store."""


@main.group(cls=Commands, later=_RETIRE)
def retire() -> None:
    """Take a trained part of a running store off."""


@main.group(cls=Commands, later=_RESTORE)
def restore() -> None:
    """Put back what was retired."""


@main.group(cls=Commands, later=_UBI)
def ubi() -> None:
    """Exchange the log of answers and actions as UBI (User Behavior Insights): with OpenSearch, say, or another store."""


@main.group(cls=Commands, later=_UPGRADE)
def upgrade() -> None:
    """Replace the encoder of a live store without a re-index, and without breaking what worked.

    \b
    segue upgrade plan     --store DIR --model MODEL    what it changes and costs
    segue upgrade train    --store DIR --out MODEL      a better encoder for these vectors, from the log
    segue upgrade bridge   --store DIR --model MODEL    a candidate: a few items embedded, a map fitted
    segue upgrade gate     --store DIR --candidate NAME what it breaks; exit code 1 if too much
    segue upgrade live     --store DIR --candidate NAME the new encoder answers at once
    segue upgrade backfill --store DIR                  the items follow, behind the running store
    segue upgrade finish   --store DIR                  the new encoder alone
    segue upgrade rollback --store DIR                  one step back, at any moment
    """
