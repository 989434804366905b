"""The report's page in a real Chromium. Pictures of it are left in dist/report/ to be looked at.

`make report-test AXE=axe.min.js` looks for barriers too, by the file of the npm package axe-core.
"""

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chromium import Tab, open_tab
from tests.support.run_pages import facts, hostile, line, whole
from tests.support.template import ROOT
from tidegate.report.page import Facts, page_of
from tidegate.report.rendering import html

PICTURES = ROOT / "dist" / "report"
PAGES: dict[str, Callable[[], Facts]] = {
    "whole": whole,
    "hostile": hostile,
    "good": lambda: facts([line()]),
}
REFUSED = "document.querySelectorAll('script, img, iframe, link').length"
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Text is cut off where an element hides what overflows it.
CUT = """[...document.querySelectorAll('main *')]
    .filter(one => getComputedStyle(one).overflowX !== 'visible' && !one.closest('thead, svg'))
    .filter(one => one.scrollWidth > one.clientWidth + 1).length"""
BARRIERS = "axe.run(document).then(found => found.violations.map(one => one.id))"
AXE = os.environ.get("AXE")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    with open_tab(tmp_path / "profile") as found:
        for domain in ("Page", "Log", "Runtime", "Network"):
            found.call(f"{domain}.enable")
        yield found


def show(tab: Tab, file: Path, width: int, theme: str) -> None:
    """Load a page as a reader's screen and system show it."""
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    scheme = [{"name": "prefers-color-scheme", "value": theme}]
    tab.call("Emulation.setEmulatedMedia", features=scheme)
    tab.call("Page.navigate", url=file.as_uri())
    tab.wait_for("Page.loadEventFired")


def show_report(tab: Tab, folder: Path, name: str, width: int, theme: str) -> Path:
    """Write a page of PAGES, load it, and return its file."""
    file = folder / "report.html"
    file.write_text(html(page_of(PAGES[name]())), encoding="utf-8")
    show(tab, file, width, theme)
    return file


EACH_SCREEN = pytest.mark.parametrize(
    ("width", "theme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
)


@EACH_SCREEN
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_whole_silent_and_alone(
    tab: Tab, tmp_path: Path, name: str, width: int, theme: str
) -> None:
    file = show_report(tab, tmp_path, name, width, theme)

    requests = [one["request"]["url"] for one in tab.of("Network.requestWillBeSent")]
    assert requests == [file.as_uri()]
    assert tab.of("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []
    assert tab.value(REFUSED) == 0
    assert tab.value(TOO_WIDE) == 0
    assert tab.value(CUT) == 0
    background = tab.value("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if theme == "light" else "rgb(16, 22, 29)")
    picture = tab.call("Page.captureScreenshot", captureBeyondViewport=name != "hostile")
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}-{width}-{theme}.png").write_bytes(base64.b64decode(picture["data"]))


@pytest.mark.skipif(not AXE, reason="AXE does not say where axe.min.js is")
@EACH_SCREEN
@pytest.mark.parametrize("name", PAGES)
def test_the_page_has_no_barrier(
    tab: Tab, tmp_path: Path, name: str, width: int, theme: str
) -> None:
    show_report(tab, tmp_path, name, width, theme)

    tab.value(Path(AXE or "").read_text(encoding="utf-8") + ";0")

    assert tab.value(BARRIERS) == []


def test_a_style_that_is_not_the_pages_own_is_refused(tab: Tab, tmp_path: Path) -> None:
    text = html(page_of(whole())).replace("<main>", "<main><style>main { color: red }</style>")
    file = tmp_path / "report.html"
    file.write_text(text, encoding="utf-8")

    show(tab, file, 390, "light")
    tab.wait_for("Log.entryAdded")

    (entry,) = tab.of("Log.entryAdded")
    assert "Content Security Policy" in entry["entry"]["text"]
    assert tab.value("getComputedStyle(document.querySelector('main')).color") != "rgb(255, 0, 0)"
