"""Output in real terminals of several widths and kinds, and in pipes."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

PREPARED = "from mindpoint.runtime import console; console.prepare(); "
CODES = re.compile(r"\x1b\[[0-9;]*m")
QUIET = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES")


def surroundings(variables):
    inherited = {name: value for name, value in os.environ.items() if name not in QUIET}
    return {**inherited, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **variables}


def in_terminal(columns, *command, **variables):
    """Run a Python command in a terminal of this many columns, and return all that it shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen([sys.executable, *command], stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings(variables))
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so that the other end is closed
            part = b""
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown
    return shown.decode().replace("\r\n", "\n")


def in_pipe(code, **variables):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, env=surroundings(variables), check=True)
    return done.stdout.decode()


def width(line):
    """Of a line as a terminal shows it, by hand: Chinese characters are two columns wide."""
    return sum(2 if "\u2e80" <= letter <= "\uffef" else 1 for letter in CODES.sub("", line))


ROWS = [
    ["小鼠左耳-夜间-第一次实验的图像", "0.51234", "runs/mouse/第一次/best.ckpt", "ok"],
    ["mouse", "-12345.678", "the learning rate was 5e-4, and 1e-05 at last", "BROKEN"],
]
TABLE = f"{PREPARED} from mindpoint.runtime.tables import table; print(table(('名称', 'AP', 'REMARK', 'STATUS'), {ROWS!r}))"


@pytest.mark.parametrize("columns", [12, 40, 80, 200])
def test_a_table_fits_the_terminal_and_keeps_every_number(columns):
    shown = in_terminal(columns, "-c", TABLE)
    lines = CODES.sub("", shown).splitlines()
    longest = max(map(len, ("-12345.678", "learning")))
    assert max(map(width, lines)) <= max(columns, longest + 8)  # a number stays whole even where it does not fit
    words = CODES.sub("", shown).split()
    for number in ("0.51234", "-12345.678", "5e-4,", "1e-05"):
        assert words.count(number) == 1
    letters = sorted("".join(words).replace("AP:", "").replace("名称:", "").replace("REMARK:", "").replace("STATUS:", ""))
    cells = "".join(map("".join, ROWS)) + ("" if columns == 12 else "名称APREMARKSTATUS")
    assert letters == sorted(cells.replace(" ", ""))


def test_columns_stay_below_each_other_beside_wide_characters():
    lines = CODES.sub("", in_terminal(200, "-c", TABLE)).splitlines()
    places = [width(line[: line.index(cell)]) for line, cell in zip(lines, ("AP", "0.51234", "-12345.678"))]
    assert len(lines) == 3 and len(set(places)) == 1


def test_a_pipe_gets_whole_lines_unless_columns_says_otherwise():
    assert len(in_pipe(TABLE).splitlines()) == 3
    narrow = in_pipe(TABLE, COLUMNS="60").splitlines()
    assert len(narrow) > 3 and max(map(width, narrow)) <= 60


@pytest.mark.parametrize("variables, colored", [
    ({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False), ({"CLICOLOR": "0"}, False),
    ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False), ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
], ids=str)  # fmt: skip
def test_colours_in_a_terminal(variables, colored):
    shown = in_terminal(80, "-c", TABLE, **variables)
    assert ("\x1b[31mBROKEN\x1b[0m" in shown) is colored and ("\x1b[32mok\x1b[0m" in shown) is colored
    assert colored or "\x1b" not in shown


@pytest.mark.parametrize("variables, colored", [
    ({}, False), ({"CLICOLOR": "1"}, False), ({"FORCE_COLOR": "1"}, True), ({"CLICOLOR_FORCE": "1"}, True), ({"FORCE_COLOR": "0"}, False),
], ids=str)  # fmt: skip
def test_colours_in_a_pipe(variables, colored):
    assert ("\x1b[31mBROKEN\x1b[0m" in in_pipe(TABLE, **variables)) is colored


def test_a_name_controls_no_terminal_that_takes_colours():
    code = f"{PREPARED} print('a\\x1b]0;owned\\x07\\x1b[2J\\x1b[8mb', console.styled('good', 'good'), 'c\\x1b[31m')"
    assert in_terminal(80, "-c", code) == "a\\x1b]0;owned\\x07\\x1b[2J\\x1b[8mb \x1b[32mgood\x1b[0m c\\x1b[31m\n"


def test_an_error_is_coloured_and_its_text_is_not():
    code = "import sys; from mindpoint.cli.main import main; assert main(['trian']) == 2"
    assert in_terminal(80, "-c", code).startswith("\x1b[31mmindpoint: error:\x1b[0m unknown command 'trian'")
    assert "\x1b" not in in_terminal(80, "-c", code, NO_COLOR="1")


BAR = """
from mindpoint.runtime.progress import Bar, on_terminal, track
bar = Bar("第 1 轮", 12345)
for number in range(1, 4):
    bar.set_postfix_str("loss 0.1234", refresh=False)
    bar.update()
    bar.refresh()
bar.close()
for item in track(range(2), None, "reading"):
    pass
"""


@pytest.mark.parametrize("columns", [30, 40, 80, 200])
def test_a_progress_bar_fits_and_keeps_its_numbers(columns):
    states = [state for state in re.split(r"[\r\n]", in_terminal(columns, "-c", BAR)) if "12345" in state]
    assert any("3/12345" in state and state.rstrip().rstrip("]").endswith("loss 0.1234") for state in states)
    assert max(width(state) for state in states) <= columns
    assert any("█" in state or "| 3/12345" in state for state in states) is (columns >= 80)


def test_a_dumb_terminal_gets_no_bar():
    assert (
        in_terminal(80, "-c", "from mindpoint.runtime.progress import track; print(list(track('ab', 2, 'x')))", TERM="dumb")
        == "['a', 'b']\n"
    )


@pytest.mark.parametrize("columns", [40, 80])
def test_a_line_of_training_is_broken_between_its_values(columns):
    parts = ["epoch 1/30", "step 20/3600", "loss 12.34", "hm_loss 1.234e-05", "lr 0.0005", "data 0.4 ms", "step 1.25 s", "1:02:03 left"]
    shown = in_terminal(columns, "-c", f"from mindpoint.runtime.tables import flow; print(flow({parts!r}))")
    lines = shown.splitlines()
    assert re.split(r"\s{2,}", shown.strip()) == parts and max(map(len, lines)) <= columns < len("  ".join(parts))
    assert in_pipe(f"from mindpoint.runtime.tables import flow; print(flow({parts!r}))") == "  ".join(parts) + "\n"


def test_commands_fit_a_narrow_terminal():
    for words in (["config", "list"], ["--help"]):
        shown = in_terminal(40, "-m", "mindpoint", *words, NO_COLOR="1")
        assert "train" in shown.lower() and max(map(width, shown.splitlines())) <= 40


@pytest.mark.slow
def test_a_training_fits_a_narrow_terminal(tmp_path):
    toy = os.path.join(os.path.dirname(__file__), "toy.yaml")
    shown = in_terminal(
        40, "-m", "mindpoint", "train", toy, "--trust", "--out", str(tmp_path / "run"), PYTHONPATH=os.path.dirname(toy), NO_COLOR="1"
    )  # fmt: skip
    prose = ("run folder", "compiled kernel", "results", "evaluated in", str(tmp_path))
    lines = [line for line in re.split(r"[\r\n]+", shown) if not any(words in line for words in prose)]
    assert max(map(width, lines)) <= 40 and "\x1b" not in shown, [line for line in lines if width(line) > 40]
    final = re.sub(r"[^\n]*\r", "", shown)  # without what was drawn over
    assert re.search(r"^epoch \d+/\d+  step \d+/\d+[^\n]*\n(  [^\n]*\n)*  [^\n]*\d:\d\d left\s*$", final, re.M)
