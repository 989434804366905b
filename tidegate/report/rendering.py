"""The page as HTML: one file that asks for nothing else and runs no script."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tidegate.report import charts
from tidegate.report.page import Page, counted

TEMPLATES = Path(__file__).with_name("templates")
KEY_CHARACTERS, TEXT_CHARACTERS = 240, 500


def html(page: Page) -> str:
    """Return the page."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            facts=page.facts,
            style=Markup(style),  # noqa: S704 - a file of this package
            policy=policy(style),
        )
    )


def policy(style: str) -> str:
    """Return the page's Content Security Policy: no request, no script, and this style alone."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def shown(text: object, most: int = TEXT_CHARACTERS) -> str:
    """Return other people's text on one line; what is not to be seen is shown as an escape.

    That is a line break, a control character, or a mark that changes the direction of writing.
    Longer text is cut in the middle.
    """
    found = "".join(one if one.isprintable() else repr(one)[1:-1] for one in str(text))
    half = (most - 1) // 2
    return found if len(found) <= most else f"{found[:half]}…{found[-half:]}"


def key(text: object) -> str:
    """Return the name of a file."""
    return shown(text, KEY_CHARACTERS)


def took(seconds: float) -> str:
    """Return a duration: `1.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(time: datetime) -> str:
    """Return a time in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def period(length: timedelta) -> str:
    """Return the length of a period."""
    return took(length.total_seconds())


def number(value: float) -> str:
    """Return a number as people read it."""
    is_whole = isinstance(value, int) or 1e4 <= abs(value) < 1e9  # noqa: PLR2004 - 4 digits or more
    return f"{value:,.0f}" if is_whole else f"{value:.4g}"


def mark(value: float) -> str:
    """Return a number under a chart, where there is little room."""
    return number(value) if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def percent(value: float) -> str:
    """Return a share: `12.3 %`."""
    return f"{100 * value:.1f} %"


def small(value: float) -> str:
    """Return a number beside the population stability index."""
    return f"{value:.3f}" if value >= 0.001 else "0.001"  # noqa: PLR2004 - as it is printed


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (shown, key, took, moment, period, number, mark, percent, small, counted):
        found.filters[filter_.__name__] = filter_
    found.globals["charts"] = charts
    return found
