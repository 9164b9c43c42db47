"""What all commands share: the group that turns errors into one line, options, and printing."""

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from segue.errors import SegueError

_PORT = 8765
store_option = click.option("--store", type=click.Path(path_type=Path), required=True, help="The store's folder.")
catalogue_option = click.option(
    "--catalogue", type=click.Path(path_type=Path), required=True, help="File of items, as for `segue index`."
)
judgements_option = click.option(
    "--judgements",
    type=click.Path(path_type=Path),
    required=True,
    help="TSV with query_id, query, doc_id, grade (header; .gz accepted).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
host_option = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; others than loopback can be reached from outside.",
)
port_option = click.option(
    "--port",
    default=_PORT,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port; if it is taken, the next free one.",
)
browser_option = click.option("--browser/--no-browser", default=True, help="Open the console in the browser.")


class Commands(click.Group):
    """Turns every error of ours into one line on standard error. `later` are commands whose module is imported when they are
    used: name → where it is ("module:attribute", within `segue.cli`) and what it does in one line."""

    def __init__(self, *arguments: Any, later: Mapping[str, tuple[str, str]] | None = None, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._later = dict(later or {})

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*self.commands, *self._later})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in self._later and name not in self.commands:
            module, attribute = self._later[name][0].split(":")
            self.add_command(getattr(import_module(f"segue.cli.{module}"), attribute), name)
        return super().get_command(context, name)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(context):
            if name in self._later:
                rows.append((name, self._later[name][1]))
            elif command := self.get_command(context, name):
                rows.append((name, command.get_short_help_str(200)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except SegueError as error:
            click.echo(f"segue: {error}", err=True)
            context.exit(1)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(1)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=None if not sys.stdout.isatty() else 2))


def say(line: str) -> None:
    click.echo(line, err=True)
