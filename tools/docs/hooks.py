"""Hooks of MkDocs. The site has the folders of the repository, so that links between pages work in both."""

from __future__ import annotations

import json
import logging
import posixpath
import re
from pathlib import Path
from typing import Dict, List

import drawing
import reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
START = "README.md", "README_CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md", "docs/*.css", "configs/**/*.md"
HOME, NOTEBOOK = "docs/index.md", "docs/notebook"
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.M)
FETCHED = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["']((?:https?:)?//[^"']+)""")
log = logging.getLogger("mkdocs.hooks")


def on_config(config: MkDocsConfig) -> None:
    """Complete the navigation: add the pages of models, parts and Python modules below their lists."""
    models = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("configs/*/README.md"))]
    python = [{posixpath.basename(path)[:-3].replace("mindpoint.", ""): path} for path in _pages("python")]
    follow = {"configs/README.md": models, "docs/reference/parts.md": list(_pages("parts")), "docs/reference/python.md": python}
    config.nav = _completed(config.nav, follow)


def _completed(items: List[object], follow: Dict[str, List[object]]) -> List[object]:
    found: List[object] = []
    for item in items:
        found.append({title: _completed(inner, follow) if isinstance(inner, list) else inner for title, inner in item.items()}
                     if isinstance(item, dict) else item)  # fmt: skip
        found += follow.get(item, []) if isinstance(item, str) else []
    return found


def _pages(kind: str) -> Dict[str, str]:
    """Return the generated pages of a ``kind``, ``parts`` or ``python``, by path."""
    pages = reference.part_pages() if kind == "parts" else reference.python_pages()
    return {f"docs/reference/{kind}/{name}.md": text for name, text in pages.items()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the site's files: the repository's pages and the files they link to, under their paths, and the generated pages."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for path in _linked([path.relative_to(ROOT).as_posix() for pattern in START for path in sorted(ROOT.glob(pattern))]):
        place = {HOME: "index.html", "README.md": "readme/index.html"}.get(path)
        files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=place))
    for path, text in {**_pages("parts"), **_pages("python")}.items():
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, f"{NOTEBOOK}.md", content=_notebook_page()))
    return files


def _linked(paths: List[str]) -> List[str]:
    """Return these paths in the repository, and those of all files that the pages link to, directly or not."""
    found = list(paths)
    for page in found:  # the loop appends to this list
        for link in LINK.findall(FENCE.sub("", _read(page))) if page.endswith(".md") else ():
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
            if path not in found and (ROOT / path).is_file():
                found.append(path)
    return found


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _notebook_page() -> str:
    """Return the notebook's text and code as a page."""
    cells = json.loads(_read(f"{NOTEBOOK}.ipynb"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    shown = [text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```" for cell, text in zip(cells, texts)]
    return "\n\n".join([*shown, f"[Download this notebook]({posixpath.basename(NOTEBOOK)}.ipynb)"]) + "\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the generated tables, draw the flowcharts, and make links to the notebook point to its page."""
    markdown = MARK.sub(lambda mark: {"keys": reference.keys, "parts": reference.part_list}[mark[1]](), markdown)
    markdown = FENCE.sub(lambda block: drawing.svg(block[3]) if block[2] == "mermaid" else block[0], markdown)
    name = posixpath.basename(NOTEBOOK)
    return markdown if page.file.src_uri == f"{NOTEBOOK}.md" else markdown.replace(f"{name}.ipynb)", f"{name}.md)")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> None:
    """Warn of files that a reader's browser would load from another site."""
    for address in FETCHED.findall(output):
        log.warning("%s: loads %s from another site; pages must not depend on other sites", page.file.src_uri, address)
