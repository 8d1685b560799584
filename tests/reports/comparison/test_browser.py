"""The page in headless Chromium: it loads nothing, says no error, draws, sorts, saves and scrolls."""

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.comparison import compare_each
from bench.comparison.analysis import analyse
from bench.jobs.store import stored_jobs
from bench.reports.comparison.formats import html as format_html
from bench.reports.comparison.report import documents_of, render
from bench.reports.comparison.viewer import Viewer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NAMES = {"mil": 2.5, "<b>bold & long-named approach": 2.0, "=cmd|'x'": 1.5, "prior": 0.0}
# A grey pixel.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(BROWSERS)})")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def page_file(fill_store: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of four approaches, with a made-up case."""
    folder = tmp_path_factory.mktemp("browser")
    fill_store(folder / "runs", NAMES, seeds=(0, 1, 2))
    comparisons = compare_each(stored_jobs(folder / "runs"), resamples=100)
    analyses = [analyse(each) for each in comparisons]
    case = made_up_case(str(analyses[0].hardest[0].study))
    page = format_html.html(documents_of(analyses), [Viewer((case,), ("mil-quick",), "")])
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    return path


def made_up_case(study: str) -> dict:
    targets = [{"name": f"target {n}", "label": "Severe", "said": [[0.5, 0.3, 0.2]]} for n in range(25)]
    mark = {"x": 0.5, "y": 0.5, "target": 3, "who": "annotator"}
    slices = {"instances": [3, 2, 1], "images": [PIXEL] * 3}
    series = [
        {"id": "10", "description": "Axial T2", **slices, "marks": [[], [], []], "attention": {}},
        {
            "id": "20",
            "description": "Sagittal T1",
            **slices,
            "marks": [[], [], [mark]],
            "attention": {"0/3": [[1, 0.25], [2, 0.75]]},
        },
    ]
    return {"study": study, "why": "hardest study 1", "targets": targets, "series": series}


def opened(browser: object, path: Path, width: int, scheme: str) -> tuple[object, list[str]]:
    """The page with everything unfolded and scrolled through, and what went wrong."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None
    )
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    # Charts draw as they come into view. Each is waited for, as a fast scroll past it may fall between two frames.
    for chart in range(page.evaluate("document.querySelectorAll('.chart').length")):
        page.evaluate("(n) => document.querySelectorAll('.chart')[n].scrollIntoView({block: 'center'})", chart)
        waited_for(page, "(n) => Boolean(document.querySelectorAll('.chart')[n].dataset.drawn)", chart)
    return page, wrong


def waited_for(page: object, condition: str, argument: object = None) -> None:
    """Wait until a condition holds, a minute at most; the page's policy forbids what Playwright's own waiting does."""
    for _ in range(1200):
        if page.evaluate(condition, argument):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (420, "light"), (420, "dark")])
def test_it_draws_and_nothing_is_cut(browser, page_file: Path, width: int, scheme: str) -> None:
    page, wrong = opened(browser, page_file, width, scheme)
    assert wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") == width  # only tables scroll sideways
    charts = page.locator(".chart")
    assert charts.count() >= 15
    assert page.locator(".chart svg.main-svg .trace, .chart svg.main-svg .legend").count() >= charts.count()
    outside = page.evaluate(
        """() => [...document.querySelectorAll('.chart')].flatMap((chart) => {
            const box = chart.getBoundingClientRect();
            return [...chart.querySelectorAll('svg text')].filter((text) => {
                const own = text.getBoundingClientRect();
                return own.width && (own.left < box.left - 2 || own.right > box.right + 2);
            }).map((text) => text.textContent);
        })"""
    )
    assert outside == []
    ink = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ink == "rgb(21, 24, 28)") == (scheme == "dark")


def test_a_narrow_screen_keeps_names_and_scores(browser, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 420, "light")
    board = page.locator("table.leaderboard").first
    for scrolled in (0, 10_000):
        page.evaluate("(x) => document.querySelector('table.leaderboard').parentElement.scrollTo(x, 0)", scrolled)
        for row in range(board.locator("tbody tr").count()):
            name, score = (
                board.locator("tbody tr").nth(row).locator("td").nth(column).bounding_box() for column in (0, 1)
            )
            assert name["x"] >= 0
            assert name["x"] + name["width"] <= score["x"] + 1
            assert score["x"] + score["width"] <= 420


def test_a_leaderboard_with_ranks_fits_a_wide_screen(browser, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 1280, "light")
    board = page.locator("table.leaderboard").first
    assert board.locator('th[data-name="rank"]').count() == 1
    assert board.evaluate("(table) => table.scrollWidth - table.parentElement.clientWidth") <= 0


def test_every_table_sorts_both_ways(browser, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 1280, "light")
    wrong = page.evaluate(
        """() => [...document.querySelectorAll('.table table')].flatMap((table) => {
            const wrong = [];
            const key = (cell) => cell.dataset.v === undefined ? null : [JSON.parse(cell.dataset.v)].flat()[0];
            for (const heading of table.tHead.rows[0].cells) {
                for (const order of ['ascending', 'descending']) {
                    heading.querySelector('button').click();
                    const values = [...table.tBodies[0].rows].map((row) => key(row.cells[heading.cellIndex]));
                    const numbers = values.filter((v) => typeof v === 'number');
                    const sign = order === 'ascending' ? 1 : -1;
                    const sorted = numbers.every((v, i) => !i || sign * (v - numbers[i - 1]) >= 0);
                    const told = heading.getAttribute('aria-sort') === order;
                    if (!told || !sorted) wrong.push([table.id, heading.dataset.name]);
                }
            }
            return wrong;
        })"""
    )
    assert wrong == []


def test_the_csv_download_holds_no_formula(browser, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 1280, "light")
    with page.expect_download() as waiting:
        page.locator("button.save").first.click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
    assert waiting.value.suggested_filename == "section-1-leaderboard.csv"
    names = [row["approach"] for row in rows]
    assert "'=cmd|'x'-quick" in names
    assert "<b>bold & long-named approach-quick" in names
    assert all(float(row["95 % interval low"]) < float(row["score"]) for row in rows if row["95 % interval low"])


def test_the_viewer_scrolls_by_wheel_key_slider_and_target(browser, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 1280, "light")
    where = page.locator(".viewer .where")
    assert "slice 2 of 3, instance 2, series 10" in where.inner_text()
    page.locator(".stack").hover()
    page.mouse.wheel(0, 100)
    assert "slice 3 of 3" in where.inner_text()
    page.locator(".stack").press("ArrowUp")
    page.locator(".stack").press("ArrowUp")
    assert "slice 1 of 3" in where.inner_text()
    page.locator('.grades button[aria-label="target 3"]').first.click()
    assert "slice 3 of 3, instance 1, series 20" in where.inner_text()
    assert page.locator(".marks .annotated.chosen").count() == 1
    assert page.locator(".strip i").nth(2).evaluate("(bar) => bar.style.height") == "100%"
    page.locator(".slider").fill("0")
    assert "slice 1 of 3" in where.inner_text()


def test_a_study_in_a_table_leads_to_its_images(browser, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 1280, "light")
    page.evaluate("scrollTo(0, 0)")
    page.locator("a[data-study]").first.click()
    waited_for(page, "document.querySelector('.viewer').getBoundingClientRect().top < 300")
    assert page.evaluate("document.activeElement.className") == "studies"


def test_headings_and_viewer_are_reached_by_keyboard(browser, page_file: Path) -> None:
    page, _ = opened(browser, page_file, 1280, "light")
    heading = page.locator("table.leaderboard th button").nth(1)
    heading.focus()
    page.keyboard.press("Enter")
    assert page.locator("table.leaderboard th").nth(1).get_attribute("aria-sort") == "ascending"
    assert page.locator(".stack").get_attribute("tabindex") == "0"


def test_on_paper_nothing_is_folded(browser, make_store: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(render(compare_each(stored_jobs(make_store({"mil": 2.0})), resamples=100)), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.pdf(path=str(tmp_path / "page.pdf"))
    assert page.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")
    assert page.evaluate("[...document.querySelectorAll('.chart')].every((one) => one.dataset.drawn)")
