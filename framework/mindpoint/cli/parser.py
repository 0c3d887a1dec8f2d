"""The argument parser of all commands: its help ends with examples, and it completes in shells."""

from __future__ import annotations

import argparse
from typing import Iterator, Optional, Sequence

from mindpoint.cli import completion


class Parser(argparse.ArgumentParser):
    """An argument parser whose help ends with examples. Its subparsers have this class, too.

    If a shell asks for completions, parsing writes them and ends the process.

    Args:
        listing: text below the options; its lines are not rewrapped.
        examples: whole command lines that the parser accepts. Without examples, the help shows the first example of each subparser.
    """

    def __init__(self, *args: object, listing: str = "", examples: Sequence[str] = (), **options: object):
        super().__init__(*args, **options)
        self.listing, self.examples = listing, tuple(examples)

    def format_help(self) -> str:
        examples = self.examples or [inner.examples[0] for inner in self.subparsers() if inner.examples]
        lines = "".join(f"  {example}\n" for example in examples)
        listing = f"\n{self.listing}\n" if self.listing else ""
        return super().format_help() + listing + (f"\nexample{'s' * (len(examples) > 1)}:\n{lines}" if examples else "")

    def parse_known_args(self, args: Optional[Sequence[str]] = None, namespace: Optional[argparse.Namespace] = None) -> tuple:
        """See :class:`argparse.ArgumentParser`."""
        if completion.asked():
            completion.complete(self)
        return super().parse_known_args(args, namespace)

    def subparsers(self) -> Iterator[Parser]:
        """Yield the parsers of the subcommands."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from action.choices.values()
