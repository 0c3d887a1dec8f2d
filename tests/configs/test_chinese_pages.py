"""Check that the Chinese pages keep step with the English ones, and the links of all.

Headings, tables, lists, links, inline code and code blocks of a section are the same. Only comments of code blocks are translated.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = {ROOT / "README_CN.md": ROOT / "README.md"}
ENGLISH.update((page, ROOT / "docs" / page.name) for page in sorted((ROOT / "docs" / "zh").glob("*.md")))
pages = pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.name)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def _sections(page, switch):
    """Return (heading, text, code blocks) of each section of a page, without the line that leads to the other language."""
    text = re.sub(rf"^\[{switch}\]\(.*\)\n", "", page.read_text(encoding="utf-8"), count=1, flags=re.M)
    blocks = iter(FENCE.findall(text))
    sections = []
    for part in re.split(r"^(?=#+ )", FENCE.sub("```", text), flags=re.M)[1:]:
        heading, _, body = part.partition("\n")
        sections.append((heading, body, [next(blocks) for _ in range(body.count("```"))]))
    return sections


def _code(blocks):
    """Return code blocks; in those of a language each comment becomes `#`."""
    return [(kind, re.sub(r"(^|[ \t]+)#.*", " #", text, flags=re.M) if kind else text) for kind, text in blocks]


def _targets(page, body):
    """Return the files and addresses that a text links to, a Chinese page as its English one; anchors are left out."""
    links = (link.partition("#")[0] for link in LINK.findall(body))
    paths = (link if "://" in link else (page.parent / link).resolve() if link else page for link in links)
    return sorted(str(ENGLISH.get(path, path)).replace("www.mindspore.cn/en", "www.mindspore.cn/") for path in paths)


def _anchors(page):
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_main_pages_are_there():
    assert {page.name for page in ENGLISH} == {"README_CN.md", "own-data.md", "training.md", "inference.md"}


@pages
def test_pages_lead_to_each_other(page):
    for one, other, language in ((ENGLISH[page], page, "中文"), (page, ENGLISH[page], "English")):
        target = re.match(rf"# .*\n\n\[{language}\]\((.*)\)\n\n", one.read_text(encoding="utf-8"))[1]
        assert (one.parent / target).resolve() == other


@pages
def test_headings(page):
    levels = [
        [heading.split()[0] for heading, *_ in sections] for sections in (_sections(ENGLISH[page], "中文"), _sections(page, "English"))
    ]
    assert levels[0] == levels[1]


@pages
def test_sections(page):
    for (heading, english, code), (_, chinese, code_cn) in zip(_sections(ENGLISH[page], "中文"), _sections(page, "English")):
        assert _code(code_cn) == _code(code), heading
        for start in (r"\|", "- "):
            assert len(re.findall(rf"^{start}", chinese, re.M)) == len(re.findall(rf"^{start}", english, re.M)), (heading, start)
        assert set(re.findall(r"`[^`\n]+`", chinese)) == set(re.findall(r"`[^`\n]+`", english)), heading
        assert _targets(page, chinese) == _targets(ENGLISH[page], english), heading
        assert re.search("[\u4e00-\u9fff]", chinese), heading


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_all_pages(page):
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in _anchors(target), link
