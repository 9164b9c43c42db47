"""The commands of a group, with those that are imported when they are used."""

import click


def commands_of(group: click.Command) -> dict[str, click.Command]:
    """By name, in alphabetical order. Fails for one that is listed and not there."""
    assert isinstance(group, click.Group)
    context = click.Context(group)
    found = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        found[name] = command
    return found
