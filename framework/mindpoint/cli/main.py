# PYTHON_ARGCOMPLETE_OK
"""The program ``mindpoint``: finds the requested command, imports only that command, and turns errors into a message and an exit code."""

from __future__ import annotations

import argparse
import atexit
import errno
import importlib
import os
import pkgutil
import re
import sys
import traceback
from types import ModuleType
from typing import List, Optional, Sequence, Tuple

from mindpoint import cli
from mindpoint._version import __version__
from mindpoint.cli import completion
from mindpoint.cli.parser import Parser
from mindpoint.errors import Interrupted, MindpointError
from mindpoint.registry import nearest, normalize, registry, static
from mindpoint.runtime import console
from mindpoint.runtime.logs import errors_of_mindspore_only
from mindpoint.runtime.tables import table

_TILDE = re.compile(r"(?<![^\s:'])~[\w-]*/(?!.*outside of quotes)", re.DOTALL)  # a path below a home folder
INTERRUPTED = 130  # 128 + SIGINT, as in shells
BROKEN_PIPE = 141  # 128 + SIGPIPE
_ERROR = "mindpoint: error:"
_START = """mindpoint trains, evaluates and uses detectors that are put together from plugins. Begin with these commands:

  mindpoint train quickstart
      learn to find drawn people, in ten minutes and without a download
  mindpoint predict runs/quickstart IMAGE
      find people in other images, and draw them
  mindpoint new mine.yaml --annotations labels.json --images frames
      write a configuration that trains on your own annotated images
  mindpoint export runs/quickstart
      write the trained network as an ONNX file, which runs without MindSpore

'mindpoint --help' lists all commands."""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a command and return its exit code: 0 for success, 2 for an error that the user can fix.

    Built-in commands come first, then the entry points of the group ``mindpoint.commands``, called as ``main(argv) -> int``. With
    ``MINDPOINT_DEBUG=1`` in the environment errors show their traceback.

    Args:
        argv: the command and its arguments; by default those of the process.
    """
    console.prepare()
    errors_of_mindspore_only()
    try:
        if argv is None and completion.asked():
            return _run(completion.words())
        return _flushed(_run(list(sys.argv[1:] if argv is None else argv)))
    except BrokenPipeError:
        console.drop(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as end:  # raised by argparse
        raise SystemExit(_flushed(end.code or 0) if end.code is None or isinstance(end.code, int) else end.code) from None
    except MemoryError as error:
        _say(f"{_ERROR} out of memory ({error or 'nothing is left'}); use smaller images, batches or networks")
        return _flushed(MindpointError.exit_code)
    except (MindpointError, OSError, ImportError) as error:  # OSError: a file or folder that cannot be accessed
        if isinstance(error.__cause__, KeyboardInterrupt):  # raised by a compiled module whose import was interrupted
            return _interrupted()
        if isinstance(error, ImportError) and not _lacks_mindspore(error):
            raise
        if os.environ.get("MINDPOINT_DEBUG") == "1":
            _say(traceback.format_exc())
        message = _message(error)
        if _TILDE.search(message):
            message += f"\na shell expands ~ only at the beginning of a word, outside of quotes; write {os.path.expanduser('~')} instead"
        kind = "mindpoint:" if isinstance(error, Interrupted) else _ERROR
        _say(kind + ("\n" if "\n" in message else " ") + message)
        return _flushed(getattr(error, "exit_code", MindpointError.exit_code))


def _flushed(code: int) -> int:
    """Flush the output and return the exit code: not 0 if the output cannot be written, unless the terminal was closed."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        console.drop(sys.stdout)
        return code or BROKEN_PIPE
    except OSError as error:
        console.drop(sys.stdout)
        if error.errno != errno.EIO:
            _say(f"{_ERROR} standard output cannot be written: {error.strerror}")
            return code or MindpointError.exit_code
    return code


def _say(message: str) -> None:
    """Print a message on standard error; do nothing if it is closed."""
    text = console.printable(message)
    if text.startswith(_ERROR):
        text = console.styled(_ERROR, "bad", sys.stderr) + text[len(_ERROR) :]
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        console.drop(sys.stderr)


def _interrupted() -> int:
    _say("mindpoint: interrupted")
    if "mindspore" not in sys.modules and any(name.startswith("mindspore.") for name in sys.modules):
        # If MindSpore's import was interrupted, its exit handlers crash the process with pages of errors.
        atexit.register(os._exit, INTERRUPTED)
    return INTERRUPTED


def _lacks_mindspore(error: Optional[BaseException]) -> bool:
    """Return whether the error is caused by a missing MindSpore."""
    while error is not None and not (isinstance(error, ModuleNotFoundError) and error.name == "mindspore"):
        error = error.__cause__
    return error is not None


def _message(error: Exception) -> str:
    if _lacks_mindspore(error):
        return "this needs MindSpore; install it with: pip install 'mindpoint[mindspore]'"
    return (
        f"{error.filename or 'standard output, or a file of the temporary folder (TMPDIR)'}: {error.strerror or error}"
        if isinstance(error, OSError)
        else str(error)
    )


def _run(argv: List[str]) -> int:
    if not argv or argv[0].startswith("-"):
        _parser().parse_args(argv)
        print(_START, file=sys.stderr)
        return 2
    name, *arguments = argv
    if name in built_in():
        command = _module(name)
        parser = Parser(prog=f"mindpoint {name}", description=command.HELP, examples=getattr(command, "EXAMPLES", ()))
        command.add_arguments(parser)
        return command.run(parser.parse_args(arguments))
    commands = registry("commands")
    if normalize(name) not in map(normalize, commands.names()) and ":" not in name:
        near = nearest(name, [*built_in(), *commands.names()])
        advice = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else "'mindpoint --help' lists all commands"
        raise MindpointError(f"unknown command {name!r}; {advice}")
    if completion.asked() and not completion.can_complete(commands.find(name)):
        return 1
    return commands.get(name)(arguments) or 0


def built_in() -> List[str]:
    """Return the names of the built-in commands: the modules in this folder, except those that commands share."""
    shared = ("compare", "completion", "main", "options", "parser")
    return [module.name.replace("_", "-") for module in pkgutil.iter_modules(cli.__path__) if module.name not in shared]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"mindpoint.cli.{name.replace('-', '_')}")


def _parser() -> argparse.ArgumentParser:
    lines = table(None, [(f"  {name}", text) for name, text in _commands()])
    parser = Parser(
        prog="mindpoint",
        usage="mindpoint [-h] COMMAND ...",
        description="Train, evaluate and run detectors built from plugins. 'mindpoint COMMAND --help' shows the options of a command.",
        listing=f"commands:\n{lines}",
    )
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS).completer = lambda **_: dict(_commands())
    parser.add_argument("--version", action="version", version=f"mindpoint {__version__}")
    return parser


def _commands() -> List[Tuple[str, str]]:
    """Return the name and one line of help of each command. Plugins are not imported."""
    found = [(name, _module(name).HELP) for name in built_in()]
    for entry in registry("commands").entries():
        definition = entry.definition()
        found.append((entry.name, static.doc(definition).partition("\n")[0] if definition else f"from {entry.distribution}"))
    return found
