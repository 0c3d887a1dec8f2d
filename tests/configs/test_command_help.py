"""The examples at the end of every command's help, read by the parsers of the commands themselves."""

import shlex

import pytest
from mindpoint.cli.main import _run, built_in
from mindpoint.cli.parser import Parser
from mindpoint.config import shipped
from mindpoint.registry import registry
from mindpoint.scaffold import PARTS

COMMANDS = [[name] for name in (*built_in(), *registry("commands").names())]
ACTIONS = [["data", name] for name in registry("data_actions").names()]


class Reached(Exception):
    """A command has come to its parser; ends the command."""

    def __init__(self, parser, values=None):
        super().__init__(parser.prog)
        self.parser, self.values = parser, values


def reached(words, parse_args, parse_known_args):
    """Run a command whose parser has these methods, of which one raises ``Reached``, and return that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "parse_args", parse_args)
        patch.setattr(Parser, "parse_known_args", parse_known_args)
        with pytest.raises(Reached) as found:
            _run(words)
    return found.value


def parser_of(words):
    """Return the parser that a command makes."""

    def stop(self, *_):
        raise Reached(self)

    return reached(words, stop, stop).parser


def parsed(words):
    """Return the arguments as the command's own parser reads them."""
    parse_args, parse_known_args = Parser.parse_args, Parser.parse_known_args

    def args(self, *given):
        raise Reached(self, parse_args(self, *given))

    def known_args(self, *given):
        found = parse_known_args(self, *given)
        if self.prog == "mindpoint migrate":  # reads options of other programs, too
            raise Reached(self, found[0])
        return found

    return reached(words, args, known_args).values


def with_subcommands(parser):
    yield parser
    for inner in parser.subparsers():
        yield from with_subcommands(inner)


@pytest.mark.parametrize("words", [*COMMANDS, *ACTIONS], ids=" ".join)
def test_every_help_ends_with_examples_that_the_command_accepts(words):
    for parser in with_subcommands(parser_of(words)):
        examples = parser.format_help().partition("\nexample")[2].splitlines()[1:]
        assert examples, f"{parser.prog} has no example"
        for example in examples:
            name, *arguments = shlex.split(example)
            assert name == "mindpoint" and example.startswith(f"  {parser.prog} ") or example == f"  {parser.prog}"
            args = vars(parsed(arguments))
            configs = [args.get("config"), args.get("first"), args.get("second"), *args.get("configs", ())]
            for config in filter(None, configs if words != ["ascend-check"] else args["config"]):
                assert str(config).endswith(".yaml") or config in shipped(), example


def test_an_example_that_is_wrong_is_found(capsys):
    with pytest.raises(SystemExit):
        parsed(["train", "quickstart", "--epochs", "2"])
    assert "unrecognized arguments: --epochs" in capsys.readouterr().err


def test_the_scaffold_of_the_example_has_such_parts():
    assert set(parsed(shlex.split(parser_of(["plugins"]).format_help().splitlines()[-1])[1:]).parts.split(",")) <= set(PARTS)
