"""The site: the pages of the repository, in the order of a reader. `make docs` builds it.

The pages lie where a forge shows them, so the source folder is the repository. Their links hold on
both sides; only those to folders, which a site does not show, become links to what is in them.
"""

import posixpath
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[1]
NAVIGATION = {
    "Begin": ["docs/tutorial", "docs/from-sagemaker"],
    "Models and files": ["docs/models", "docs/libraries", "docs/files", "docs/image"],
    "A stack": [
        "docs/by-hand",
        "docs/buckets",
        "docs/regions",
        "docs/platform",
        "docs/ci",
        "docs/several-stacks",
        "docs/costs",
    ],
    "At work": [
        "docs/daily-life",
        "docs/broken-batch",
        "docs/report",
        "docs/backfill",
        "docs/reconcile",
        "docs/notices",
        "docs/doctor",
        "docs/troubleshooting",
    ],
    "Reference": [
        "docs/settings",
        "docs/command-line",
        "docs/template",
        "docs/roles",
        "docs/metrics",
        "docs/events",
        "docs/log-events",
        "docs/dispatcher-log",
        "docs/dispatcher-events",
    ],
    "How it works": ["ARCHITECTURE", "docs/memory", "benchmarks/README"],
    "Examples": [
        "examples/iris/README",
        "examples/lightgbm/README",
        "examples/rfm/README",
        "examples/next_step/README",
    ],
    "Project": ["CHANGELOG", "CONTRIBUTING", "SECURITY"],
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
LOADED = re.compile(r'<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"')


def setup(app: Sphinx) -> None:
    """Connect what happens before a page is read, and after all are written."""
    app.connect("source-read", prepare)
    app.connect("build-finished", finish)


def prepare(app: Sphinx, page: str, source: list[str]) -> None:  # noqa: ARG001 - the signature is Sphinx's
    """Turn a page of the repository into one of the site."""
    text = PICTURE_FROM_ELSEWHERE.sub("", source[0])
    # A forge draws these. The program that draws them is not part of the site, so the text stands.
    parts = CODE_BLOCK.split(text.replace("```mermaid", "```"))
    source[0] = "".join(
        part
        if CODE_BLOCK.fullmatch(part)
        else LINK.sub(lambda found: link(page, found[1], found[2]), part)
        for part in parts
    )
    if page == root_doc:
        source[0] += "".join(toctree(*section) for section in NAVIGATION.items())


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
