"""Run the fuzzer. Every input of the corpus is tried first; what fails is shown, and kept in the folder ``--keep``."""

import argparse
import copy
import faulthandler
import hashlib
import json
import logging
import os
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from mindpoint.errors import MindpointError

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
SECONDS, MEMORY = 20, 2 << 30
PIECES = [
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b".nan",
    b"!!int x",
    b"[" * 300,
    b"{a: " * 150,
    b"${",
    b"${seed}",
]
PIECES += [
    b"&a [*a]",
    b"*m",
    b"<<: *m",
    b"_base_: /etc/passwd",
    b"_replace_: true",
    b"type: 'os:system'",
    b"{type: 'os:system', command: 'exit'}",
    b"\n",
]
PIECES += [
    b"null",
    b"true",
    b"''",
    b": ",
    b"? [a]\n: b",
    b"{}",
    b"[]",
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"9" * 5000,
    b"\x1b]0;x\x07",
    b"#",
    b"- ",
    b"\t",
    b"crc_num",
]


class Hang(BaseException):
    """An input takes too long."""


def _alarm(*_):
    raise Hang(f"takes more than {SECONDS} seconds")


@st.composite
def damaged(draw, valid):
    """A valid input with up to six changes."""
    data = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(0, 6))):
        position, what = (
            draw(st.integers(0, max(0, len(data) - 1))),
            draw(st.sampled_from(["bit", "cut", "drop", "put", "copy", "byte", "swap"])),
        )
        length = draw(st.integers(0, 40))
        if what == "bit" and data:
            data[position] ^= 1 << draw(st.integers(0, 7))
        elif what == "byte" and data:
            data[position] = draw(st.integers(0, 255))
        elif what == "cut":
            del data[position:]
        elif what == "drop":
            del data[position : position + length]
        elif what == "put":
            data[position:position] = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)))
        elif what == "copy":
            data[position:position] = data[position : position + length] * draw(st.integers(1, 30))
        else:
            data[position : position + length] = draw(st.sampled_from(PIECES))
    return bytes(data)


ODD = [
    None,
    True,
    -1,
    0,
    0.5,
    2**31,
    2**63,
    10**30,
    -1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\x1b]0;x\x07",
    "../x",
    "=1+1",
    [],
    {},
    [[]],
]
ODD += [[[1, 2], [3, 4]], {"a": 1}, "9" * 5000, "/dev/zero", ["nose"], [0, 0, 0, 0], [5, 5, -1, -1], "1", "2.5", 1.0, False]


@st.composite
def damaged_tree(draw, valid):
    """A valid JSON text with up to four values or keys changed, left out or put twice."""
    content = json.loads(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(content))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        what = draw(st.sampled_from(["odd", "odd", "odd", "other", "drop", "twice"]))
        if what == "odd":
            holder[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif what == "other":
            other, name = draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(other[name])
        elif what == "drop":
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[draw(st.sampled_from(["id", "name", "x", ""]))] = copy.deepcopy(holder[key])
    return json.dumps(content).encode()


def _places(content):
    """All values inside, each as what holds it and the key there."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(pairs):
        yield content, key
        yield from _places(value)


def inputs_of(name):
    """Return the strategy that makes a target's inputs."""
    valid = TARGETS[name][1]()
    ways = [damaged(valid), st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)]
    return st.one_of(damaged_tree(valid), *ways) if valid[0][:2] in (b'{"', b"[{") else st.one_of(*ways)


def attempt(name, data, folder):
    """Raise whatever is not a message."""
    (folder / "current").write_bytes(data)  # to be found when the process dies
    signal.alarm(SECONDS)
    try:
        TARGETS[name][0](data, folder)
    except MindpointError as error:
        if len(str(error)) > 50_000:
            raise AssertionError(f"a message of {len(str(error))} characters") from error
        if any(isinstance(cause, MemoryError) for cause in (error.__cause__, error.__context__)):
            raise AssertionError("fills the memory") from error
    finally:
        signal.alarm(0)


def fuzz(name, examples, number, folder):
    """Try one target. Raises what its inputs raise."""
    for path in sorted((CORPUS / name).glob("*")):
        attempt(name, path.read_bytes(), folder)
    inputs = inputs_of(name)

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck)
    )
    @given(inputs)
    def run(data):
        attempt(name, data, folder)

    run()


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--examples", type=int, default=300, help="inputs for each target (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="another one gives other inputs (default: 1)")
    parser.add_argument("--keep", type=Path, help="folder for inputs that fail")
    args = parser.parse_args()
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("GLOG_v", "4")
    import mindpoint.model.checkpoint  # noqa: F401  MindSpore's own memory is not the input's

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    signal.signal(signal.SIGALRM, _alarm)
    failed = []
    for name in args.targets or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                fuzz(name, args.examples, args.seed, Path(folder))
                print(f"{name}: {args.examples} inputs, only messages", flush=True)
            except BaseException as error:  # whatever it is, the other targets are tried, too
                if isinstance(error, KeyboardInterrupt):
                    raise
                failed.append(name)
                data = (Path(folder) / "current").read_bytes()
                print(f"{name}: FAILED: {type(error).__name__}: {str(error)[:300]}\n  input: {data[:1000]!r}", flush=True)
                traceback.print_exc(limit=-4)
                if args.keep:
                    (args.keep / name).mkdir(parents=True, exist_ok=True)
                    (args.keep / name / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
