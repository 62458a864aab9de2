"""The docs' site: whole on a phone, without barriers, without a request to elsewhere."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import barriers, but_slow

ROOT = Path(__file__).resolve().parents[1]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The site's folder, and its address."""
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def check(browser: Any, address: str, page_name: str, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url))
    page.goto(address + page_name)
    page.wait_for_function("document.querySelector('.md-search')?.hasAttribute('aria-label')")
    local = (address, "data:", "blob:")
    assert [one for one in said if not one.startswith(local)] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert barriers(page) == []
    page.close()


@pytest.mark.parametrize(
    ("page_name", "scheme"),
    but_slow(
        [("", "light"), ("findings/", "dark")],
        *[("", "dark"), ("findings/", "light"), ("scores/", "light"), ("scores/", "dark")],
    ),
)
def test_pages_are_for_everybody(
    page_name: str, scheme: str, site: tuple[Path, str], browser: Any
) -> None:
    check(browser, site[1], page_name, scheme)


@pytest.mark.slow
def test_all_pages_are_for_everybody(site: tuple[Path, str], browser: Any) -> None:
    folder, address = site
    pages = sorted(path.parent.relative_to(folder) for path in folder.rglob("index.html"))
    assert len(pages) > 50
    for page in pages:
        for scheme in ("light", "dark"):
            check(browser, address, f"{page.as_posix()}/" if page.name else "", scheme)


def test_findings_are_searched(site: tuple[Path, str], browser: Any) -> None:
    page = browser.new_page()
    page.goto(site[1] + "findings/#box-without-area")
    assert page.locator("#box-without-area").get_attribute("open") is not None
    total = page.locator("details.finding").count()
    page.fill("#findings-search", "error box area")
    shown = page.evaluate(
        "[...document.querySelectorAll('details.finding')].filter(d => !d.hidden).length"
    )
    assert 0 < shown < total / 4
    assert page.locator("#box-without-area").is_visible()
    assert page.inner_text("#findings-shown") == f"{shown} of {total}"
    page.close()


def test_code_is_highlighted_without_a_network(site: tuple[Path, str]) -> None:
    text = (site[0] / "index.html").read_text(encoding="utf-8")
    assert 'class="kn">import' in text
    assert "fonts.googleapis" not in text
    assert 'src="https://' not in text
