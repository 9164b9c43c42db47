"""The command line: parse, call one recipe or engine method, print."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")  # before numpy and faiss are loaded: more threads than cores only wait

from collections.abc import Callable

import click

from segue.cli import measure, understand, use
from segue.cli.common import Commands
from segue.errors import NotBuilt


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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


def _not_built(name: str, what: str) -> Callable[..., None]:
    def command(rest: tuple[str, ...]) -> None:
        raise NotBuilt(f"`segue {name}` is not built yet. It will {what}.")

    command.__doc__ = f"(Not built yet.) {what[0].upper()}{what[1:]}."
    return command


for _group, _name, _what in (
    (main, "upgrade", "replace an encoder, a reader or a ranker without breaking what worked"),
    (main, "migrate", "give a trained model another position encoding"),
):
    _group.command(_name, context_settings={"ignore_unknown_options": True})(
        click.argument("rest", nargs=-1, type=click.UNPROCESSED)(_not_built(_name, _what))
    )

for _command in (
    *(use.demo, use.index, use.ask, use.feedback, use.serve, use.explain),
    *(measure.learn, measure.simulate, measure.evaluate, measure.ubi, understand.train),
    *(understand.retire, understand.restore),
):
    main.add_command(_command)
