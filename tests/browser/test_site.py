"""Every page of the site in a real Chromium, on a telephone and a screen; `make site-test` runs it.

Pictures of all pages are left in dist/site/ to be looked at.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import Tab, open_tab
from tests.support.template import ROOT

SITE = ROOT / "build" / "site"
PICTURES = ROOT / "dist" / "site"
DRAWINGS = [*sorted((ROOT / "docs").glob("drawings/*.svg")), ROOT / "docs" / "demo.svg"]
PHONE, DESK = 390, 1280
SCREENS = [(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")]
TALLEST = 6000  # of a picture, which takes memory
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What is wider than the screen must be able to scroll by itself.
BEYOND = """[...document.querySelectorAll('article *')]
    .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter(one => !one.closest('pre, .table-wrapper, p:has(img)'))
    .map(one => one.outerHTML.slice(0, 80))"""
# On a telephone a table of text is not to be scrolled.
SCROLLED_TEXT = """[...document.querySelectorAll('table.stacked')]
    .filter(one => one.scrollWidth > one.closest('.table-wrapper').clientWidth + 1)
    .map(one => one.textContent.trim().slice(0, 80))"""
# On a screen a long command is not to be scrolled.
SCROLLED_CODE = """[...document.querySelectorAll('article pre')]
    .filter(one => one.scrollWidth > one.clientWidth + 1)
    .map(one => one.textContent.trim().slice(0, 80))"""
NOT_LOADED = """[...document.images].filter(one => !one.complete || !one.naturalWidth)
    .map(one => one.src)"""
# Text of a drawing beyond its box, or beyond the drawing, in the fonts of this machine.
CUT_OFF = """(() => {
    const page = document.documentElement.viewBox.baseVal
    const boxes = [page, ...[...document.querySelectorAll('rect')].map(one => one.getBBox())]
    const holds = (box, x, y) =>
        box.x <= x && x <= box.x + box.width && box.y <= y && y <= box.y + box.height
    return [...document.querySelectorAll('text')].filter(one => {
        const {x, y, width, height} = one.getBBox()
        return boxes.some(box => holds(box, x + width / 2, y + height / 2)
            && !(holds(box, x, y + height / 2) && holds(box, x + width, y + height / 2)))
    }).map(one => one.textContent)
})()"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with open_tab(tmp_path_factory.mktemp("chromium")) as found:
        for domain in ("Page", "Network"):
            found.call(f"{domain}.enable")
        yield found


def pages() -> list[Path]:
    """Return the pages of the site that have a source."""
    sources = (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("examples/*/README.md"),
    )
    found = {SITE / path.relative_to(ROOT).with_suffix(".html") for path in sources}
    return sorted(path for path in found if path.exists())


def show(tab: Tab, file: Path, width: int, theme: str) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    tab.call("Emulation.setDeviceMetricsOverride", **metrics)
    scheme = [{"name": "prefers-color-scheme", "value": theme}]
    tab.call("Emulation.setEmulatedMedia", features=scheme)
    tab.events.clear()
    tab.call("Page.navigate", url=file.as_uri())
    tab.wait_for("Page.loadEventFired")


def keep_picture(tab: Tab, name: str, width: int) -> None:
    height = min(TALLEST, tab.value("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    found = tab.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}.png").write_bytes(base64.b64decode(found["data"]))


def test_the_site_is_built() -> None:
    assert len(pages()) > len(list(ROOT.glob("docs/*.md"))), "run `make docs`"


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_every_page_fits_the_screen_and_loads_its_pictures_from_the_site(
    tab: Tab, width: int, theme: str
) -> None:
    for page in pages():
        name = page.relative_to(SITE).with_suffix("").as_posix()
        show(tab, page, width, theme)

        requests = [one["request"]["url"] for one in tab.of("Network.requestWillBeSent")]
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == [], name
        assert tab.value(TOO_WIDE) == 0, name
        assert tab.value(BEYOND) == [], name
        assert tab.value(SCROLLED_TEXT) == [], name
        assert width < DESK or tab.value(SCROLLED_CODE) == [], name
        assert tab.value(NOT_LOADED) == [], name
        keep_picture(tab, f"{name.replace('/', '-')}-{width}-{theme}", width)


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.stem)
def test_a_drawing_has_all_of_its_text(tab: Tab, drawing: Path) -> None:
    show(tab, drawing, PHONE, "light")

    assert tab.value(CUT_OFF) == []


@pytest.mark.parametrize("drawing", DRAWINGS[:-1], ids=lambda path: path.stem)
def test_a_drawing_is_light_or_dark_as_its_reader_wishes(tab: Tab, drawing: Path) -> None:
    colours = {}
    for theme in ("light", "dark"):
        show(tab, drawing, PHONE, theme)
        colours[theme] = [
            tab.value(f"getComputedStyle(document.querySelector('{one}')).fill")
            for one in (".page", "text:not(.soft)")
        ]

    assert colours["light"] == ["rgb(255, 255, 255)", "rgb(31, 41, 51)"]
    assert colours["dark"] == ["rgb(22, 27, 34)", "rgb(228, 231, 235)"]
