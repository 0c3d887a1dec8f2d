"""What docs/configuration.md shows is what happens."""

import ast
import re
import shlex
from pathlib import Path

import mindpoint
import pytest
from mindpoint.cli.main import main
from mindpoint.config import config_of, injection
from mindpoint.config.files import shipped_folder

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "configuration.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.M | re.S)
FILES = {match.group(1): text for kind, text in FENCES if kind == "yaml" for match in [re.match(r"# (\S+\.yaml)\n", text)] if match}
SESSIONS = [session for kind, text in FENCES if kind == "" for session in re.split(r"^\$ ", text, flags=re.M)[1:]]
CHANGES = [line.partition("  #")[0] for kind, text in FENCES if kind == "sh" for line in text.splitlines() if line.startswith("--set")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.partition("\n")[0])
def test_sessions(session, capsys):
    command, _, expected = session.partition("\n")
    main(shlex.split(command)[1:])
    shown = "".join(capsys.readouterr()).replace(str(shipped_folder()), "configs")
    assert _without_shipped_lines(shown) == _without_shipped_lines(expected)


def _without_shipped_lines(text):
    return re.sub(r"(configs/\S+):\d+", r"\1", text)


def test_there_is_something_to_test():
    assert set(FILES) == {"mine.yaml", "wrong.yaml"} and len(SESSIONS) == 4 and len(CHANGES) == 7


def test_the_table_of_what_the_run_gives():
    text = (DOCS / "plugins.md").read_text(encoding="utf-8")
    shown = re.search(r"^<!-- what the run gives: begin -->\n(.*?)\n<!-- what the run gives: end -->$", text, re.M | re.S)[1]
    assert shown == injection.markdown_table()


def test_examples_of_overrides():
    assert main(["config", "check", "quickstart", *(word for line in CHANGES for word in shlex.split(line))]) == 0


def test_the_page_on_data(capsys):
    """Its configuration, declared fields, and the one line that changes for MindRecord, are right."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    files, *changes = re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    assert len(changes) == 4
    for number, text in enumerate((files, *("_base_: file0.yaml\n" + change for change in changes))):
        Path(f"file{number}.yaml").write_text(text)
        assert main(["config", "check", f"file{number}.yaml"]) == 0, capsys.readouterr().err
    assert main(["config", "show", "file4.yaml"]) == 0
    assert capsys.readouterr().out.count("type: MindRecordDataset\n      path: data/mine/") == 2


def test_the_page_on_python(capsys):
    """Its mappings are a configuration, and its mistake gives the message that it shows."""
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    _, mappings, mistake = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    blocks = ast.literal_eval(ast.parse(mappings).body[0].value)
    config = config_of(blocks, ["data.train.batch_size=8"])
    assert config.section("train").steps == 200 and config.split("train").batch_size == 8 and config.build("hooks.pictures") is None
    exec(mistake, {"mindpoint": mindpoint})
    assert f"```\n{capsys.readouterr().out}```" in page
