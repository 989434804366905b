"""The site: the pages of the repository, in the order of a reader. `make docs` builds it.

The pages lie where a forge shows them, so the source folder is the repository. Their links hold on
both sides; only those to folders, which a site does not show, become links to what is in them.
"""

import html
import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[1]
# First the page to learn from, then a page for each task, then what to look up, then the reasons.
NAVIGATION = {
    "Tutorial": ["docs/tutorial", "docs/demo"],
    "How to: models and files": [
        "docs/own-predictor",
        "docs/libraries",
        "docs/change-a-model",
        "docs/roll-back",
        "docs/formats",
        "docs/big-files",
        "docs/backfill",
        "docs/broken-batch",
    ],
    "How to: a stack": [
        "docs/deploy",
        "docs/buckets",
        "docs/several-stacks",
        "docs/private-subnets",
        "docs/spot",
        "docs/platform",
        "docs/ci",
        "docs/by-hand",
        "docs/own-queue",
    ],
    "How to: from day to day": [
        "docs/daily-life",
        "docs/report",
        "docs/where-to-look",
        "docs/reconcile",
        "docs/notices",
        "docs/doctor",
        "docs/troubleshooting",
    ],
    "How to: move here": ["docs/from-sagemaker", "docs/from-the-post"],
    "Reference": [
        "docs/settings",
        "docs/command-line",
        "docs/exit-statuses",
        "docs/template",
        "docs/models",
        "docs/files",
        "docs/message",
        "docs/output",
        "docs/failure-report",
        "docs/limits",
        "docs/security",
        "docs/roles",
        "docs/metrics",
        "docs/alarms",
        "docs/events",
        "docs/log-events",
        "docs/dispatcher-log",
        "docs/dispatcher-events",
        "docs/regions",
    ],
    "Explanation": [
        "docs/waking",
        "docs/leases",
        "docs/writes",
        "docs/types",
        "docs/parts",
        "ARCHITECTURE",
        "docs/costs",
        "docs/memory",
        "docs/image",
        "benchmarks/README",
    ],
    "Examples": [
        "examples/iris/README",
        "examples/lightgbm/README",
        "examples/rfm/README",
        "examples/next_step/README",
    ],
    "Project": ["docs/README", "CHANGELOG", "CONTRIBUTING", "SECURITY"],
}

project = "Tidegate"
html_title = "Tidegate"
root_doc = "README"
# A page that is in no section above fails the build.
include_patterns = ["*.md", "docs/*.md", "examples/*/README.md", "benchmarks/README.md"]
extensions = ["myst_parser"]
myst_heading_anchors = 4
highlight_language = "none"
smartquotes = False  # quotes, dashes and dots of a command stay what they are
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["tidegate.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

CODE_BLOCK = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)([^)#]+)\)")
PICTURE_FROM_ELSEWHERE = re.compile(r"^!\[.*\]\(https?:.*\)\n", re.MULTILINE)
SHORT_CELL = 32  # characters of a cell; a table of shorter ones fits a telephone, or is of figures
OPTION = re.compile(r'<span class="pre">(?=--?\w)')
BLOCK = re.compile(r"<pre>.*?</pre>", re.DOTALL)
OPTION_IN_BLOCK = re.compile(r"(?<=\s)--\w[\w-]+")
LOADED = re.compile(r'<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"')


def setup(app: Sphinx) -> None:
    """Connect what happens before a page is read, and after all are written."""
    app.connect("source-read", prepare)
    app.connect("doctree-resolved", label_cells)
    app.connect("html-page-context", mark_options)
    app.connect("build-finished", finish)


def prepare(app: Sphinx, page: str, source: list[str]) -> None:  # noqa: ARG001 - the signature is Sphinx's
    """Turn a page of the repository into one of the site."""
    text = PICTURE_FROM_ELSEWHERE.sub("", source[0])
    parts = CODE_BLOCK.split(text)
    source[0] = "".join(
        part
        if CODE_BLOCK.fullmatch(part)
        else LINK.sub(lambda found: link(page, found[1], found[2]), part)
        for part in parts
    )
    if page == root_doc:
        source[0] += "".join(toctree(*section) for section in NAVIGATION.items())


def label_cells(app: Sphinx, tree: nodes.document, page: str) -> None:  # noqa: ARG001 - the signature is Sphinx's
    """Name the column in each cell of a table with text: a narrow screen shows no columns.

    A table of figures stays a table on every screen.
    """
    for table in tree.findall(nodes.table):
        head, *rows = [list(row.findall(nodes.entry)) for row in table.findall(nodes.row)]
        if all(len(cell.astext()) <= SHORT_CELL for row in rows for cell in row):
            continue
        table["classes"].append("stacked")
        for row in rows:
            # Of two columns the first is the name of the second.
            for name, cell in list(zip(head, row, strict=True))[1:] if head[2:] else ():
                if name.astext() and cell.astext():
                    label = f'<span class="label">{html.escape(name.astext())}: </span>'
                    cell.children[0].insert(0, nodes.raw("", label, format="html"))


def mark_options(
    app: Sphinx,  # noqa: ARG001 - the signature is Sphinx's
    page: str,  # noqa: ARG001
    template: str,  # noqa: ARG001
    context: dict[str, Any],
    tree: nodes.document | None,  # noqa: ARG001
) -> None:
    """Mark the options of commands: a browser may end a line at each hyphen of a word."""
    if "body" in context:
        body = OPTION.sub('<span class="pre option">', context["body"])
        context["body"] = BLOCK.sub(
            lambda block: OPTION_IN_BLOCK.sub(r'<span class="option">\g<0></span>', block[0]), body
        )


def link(page: str, text: str, target: str) -> str:
    """Return a link that leads to a page or a file; a folder has a README.md, or files."""
    folder = ROOT / posixpath.dirname(page) / target
    if not folder.is_dir():
        return f"[{text}]({target})"
    if (folder / "README.md").exists():
        return f"[{text}]({target}/README.md)"
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return f"{text} ({', '.join(f'[{name}]({target}/{name})' for name in names)})"


def toctree(caption: str, pages: list[str]) -> str:
    """Return a section of the site's navigation."""
    return "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}\n", *pages, "```\n"])


def finish(app: Sphinx, error: Exception | None) -> None:
    """Fail if a page loads anything from elsewhere, and open the site at its first page."""
    if error or app.builder.format != "html":
        return
    for page in app.outdir.rglob("*.html"):
        if found := LOADED.search(page.read_text("utf-8")):
            raise ExtensionError(f"{page} loads something from elsewhere: {found[0]}")
    shutil.copyfile(app.outdir / "README.html", app.outdir / "index.html")
