"""ARCHITECTURE.md lists every module of the worker, and no page names a file that is not there."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "worker"
MOST_MODULES = 12  # in one folder, so that its listing is read at a glance

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/*/README.md"),
        *ROOT.glob("benchmarks/*.md"),
    ]
)
LINE_OF_A_MODULE = re.compile(r"^\| `(worker/[\w/]+\.py)` \| (.*\S) \|$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`([\w.-]+/[\w./-]*)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def modules_of(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


def folders_of_the_worker() -> list[Path]:
    return sorted({path.parent for path in WORKER.rglob("*.py")})


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    """Return a page without its code blocks, in which brackets and slashes mean something else."""
    return CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a forge gives to a page's headings."""
    headings = (re.sub(r"[`*]", "", heading).lower() for heading in HEADING.findall(text_of(page)))
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}


def test_every_module_of_the_worker_has_one_line_and_every_line_has_its_module() -> None:
    listed = Counter(
        path for path, _ in LINE_OF_A_MODULE.findall((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    )
    there = Counter(name(path) for folder in folders_of_the_worker() for path in modules_of(folder))

    assert sorted(there - listed) == [], "modules without a line in ARCHITECTURE.md"
    assert sorted(listed - there) == [], "lines of ARCHITECTURE.md without a module, or repeated"


@pytest.mark.parametrize("folder", folders_of_the_worker(), ids=name)
def test_no_folder_of_the_worker_holds_more_modules_than_can_be_read_at_a_glance(
    folder: Path,
) -> None:
    assert len(modules_of(folder)) <= MOST_MODULES


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_to_a_file_leads_to_a_file_and_its_heading(page: Path) -> None:
    links = [link for link in LINK.findall(text_of(page)) if not re.match(r"\w+:", link)]

    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{name(page)} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_of_the_tree_that_a_page_names_is_there(page: Path) -> None:
    rooms = {folder.name for folder in WORKER.iterdir() if folder.is_dir()}
    folders = {folder.name for folder in ROOT.iterdir() if folder.is_dir()}

    for path in PATH.findall(text_of(page)):
        top = path.partition("/")[0]
        if top in folders:
            assert (ROOT / path).exists() or is_made(path), f"{name(page)} names {path}"
        elif top in rooms:
            assert (WORKER / path).exists(), f"{name(page)} names {path}"


def is_made(path: str) -> bool:
    """Return whether a path is what an example's script writes."""
    return path.startswith("examples/") and path.endswith("/out/")
