"""The page in a headless browser: it opens from disk, sorts, filters, prints, and reaches for nothing."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

FOCUSED = "document.activeElement.firstElementChild"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium; apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright; pip install 'reprq[dev]'")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, page):
    """The page, and what it said and asked for while it was open."""
    heard = {"console": [], "requests": [], "errors": [], "dialogs": []}
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.on("console", lambda message: heard["console"].append(message.text))
    tab.on("request", lambda request: heard["requests"].append(request.url))
    tab.on("pageerror", lambda error: heard["errors"].append(str(error)))
    tab.on("dialog", lambda dialog: (heard["dialogs"].append(dialog.message), dialog.dismiss()))
    tab.goto(page.as_uri())
    yield tab, heard
    context.close()


def column(tab, table, title):
    """The shown texts of a column, from top to bottom."""
    return tab.evaluate(
        """([table, title]) => {
            const box = document.getElementById(table);
            const titles = Array.from(box.querySelectorAll("thead th"), (head) => head.dataset.title);
            const rows = Array.from(box.querySelectorAll("tbody tr")).filter((row) => !row.hidden);
            return rows.map((row) => row.cells[titles.indexOf(title)].textContent);
        }""",
        [table, title],
    )


def head(tab, table, title):
    return tab.locator(f"#{table} thead th[data-title='{title}']")


def test_it_opens_without_a_word_and_without_a_request(opened, page, hostile):
    tab, heard = opened
    assert tab.title().startswith(hostile[-1])
    outside = [url for url in heard.pop("requests") if not url.startswith("data:")]
    assert outside == [page.as_uri()]
    assert heard == {"console": [], "errors": [], "dialogs": []}
    broken = "Array.from(document.images).filter((image) => !image.naturalWidth).length"
    assert (tab.evaluate(broken), tab.evaluate("document.images.length")) == (0, 6)


def test_the_policy_stops_scripts_and_requests(opened):
    tab, heard = opened
    tab.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.owned = true";
        document.body.append(script);
        const image = document.createElement("img");
        image.src = "http://127.0.0.1:9/x.png";
        document.body.append(image);
        return fetch("http://127.0.0.1:9/").catch(() => null);
    }""")
    assert tab.evaluate("window.owned === undefined")
    refused = [message for message in heard["console"] if "Content Security Policy" in message]
    assert len(refused) >= 3


def test_a_heading_sorts_by_number_both_ways_with_what_is_missing_last(opened):
    tab, _ = opened
    for clicks, state, reverse in ((1, "descending", True), (2, "ascending", False)):
        head(tab, "correlations", "coefficient").locator("button").click()
        numbers = [float(text) for text in column(tab, "correlations", "coefficient")]
        assert numbers == sorted(numbers, reverse=reverse), clicks
        assert head(tab, "correlations", "coefficient").get_attribute("aria-sort") == state
    assert head(tab, "correlations", "low").get_attribute("aria-sort") == "none"


def test_the_keyboard_sorts_by_text(opened):
    tab, _ = opened
    head(tab, "layers", "network").locator("button").focus()
    tab.keyboard.press("Enter")
    assert head(tab, "layers", "network").get_attribute("aria-sort") == "ascending"
    names = column(tab, "layers", "network")
    assert names.index("resnet 0") < names.index("resnet 1") < names.index("resnet 4")
    tab.keyboard.press("Space")
    assert column(tab, "layers", "network")[-1] == names[0]


def test_words_and_choices_filter_together(opened):
    tab, _ = opened
    box = tab.locator("#correlations")
    before = len(column(tab, "correlations", "metric"))
    box.get_by_label("Filter").fill("SPEARMAN rank")
    assert set(column(tab, "correlations", "metric")) == {"rankme"}
    assert set(column(tab, "correlations", "method")) == {"spearman"}
    box.get_by_label("tasks").select_option(label="unimodal")
    assert set(column(tab, "correlations", "tasks")) == {"unimodal"}
    assert box.locator("output").inner_text() == f"2 of {before} rows"
    box.get_by_label("Filter").fill("nothing like it")
    assert column(tab, "correlations", "metric") == []
    box.get_by_label("Filter").fill("")
    box.get_by_label("tasks").select_option(label="all")
    assert box.locator("output").inner_text() == f"{before} rows"


def test_a_hostile_name_can_be_chosen(opened, hostile):
    tab, _ = opened
    tab.locator("#layers select").select_option(label=hostile[0])
    assert set(column(tab, "layers", "network")) == {hostile[0]}


def test_a_point_shows_its_numbers_when_pointed_at_and_all_when_clicked(opened):
    tab, heard = opened
    point = tab.locator("svg.points a.point").nth(5)
    row = tab.locator(point.get_attribute("href"))
    point.scroll_into_view_if_needed()
    assert not tab.locator(".tip").is_visible()
    point.hover()
    tip = tab.locator(".tip").inner_text()
    near = tab.locator("svg.points a.near")
    assert near.count() == 1
    shown = tab.locator(near.get_attribute("href")).locator("td").all_inner_texts()
    assert all(text in tip for text in shown[:2])
    tab.mouse.move(1, 1)
    assert not tab.locator(".tip").is_visible()
    point.click()
    chosen = tab.locator("svg.points a.chosen")
    assert tab.locator(chosen.get_attribute("href")).locator("td").first.inner_text() in tab.inner_text("#chosen h3")
    assert "reprq report RUN --points" in tab.inner_text("#chosen")
    tab.locator("#chosen .close").click()
    assert not tab.locator("#chosen").is_visible()
    assert row.count() == 1
    assert heard["errors"] == []


def test_the_keyboard_goes_along_networks_opens_and_closes(opened):
    tab, _ = opened
    tab.locator("svg.points a.point").first.focus()
    focused = "document.activeElement.getAttribute('aria-label')"
    seen = [tab.evaluate(focused)]
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "End", "ArrowRight", "Home", "ArrowUp", "ArrowUp"):
        tab.keyboard.press(key)
        seen.append(tab.evaluate(focused))
    layers = [label.rpartition(": ")[0].rpartition(", ")[2] for label in seen]
    assert layers == [f"layer{k}" for k in (0, 1, 2, 2, 3, 3, 0, 0, 0)]
    assert seen[0] == seen[-1] == seen[-2] != seen[-3]
    assert tab.locator("svg.points a.point[tabindex='0']").count() == 1
    assert tab.evaluate("getComputedStyle(document.activeElement.firstElementChild).strokeWidth") == "3.2px"
    ring = "(({x, y}) => [x.baseVal.value, y.baseVal.value])"
    over, focused_at = (tab.evaluate(f"{ring}({of})") for of in ("document.querySelector('.ring')", FOCUSED))
    assert over == focused_at
    assert tab.evaluate("getComputedStyle(document.querySelector('.ring')).strokeWidth") == "3.2px"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "chosen-heading"
    tab.keyboard.press("Escape")
    assert not tab.locator("#chosen").is_visible()
    assert tab.evaluate(focused) == seen[0]


def test_without_script_points_lead_to_their_rows(browser, page):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page.as_uri())
    point = tab.locator("svg.points a.point").first
    point.focus()
    tab.keyboard.press("Enter")
    assert tab.url.endswith(point.get_attribute("href"))
    assert tab.locator("tr:target").count() == 1
    assert not tab.locator(".scripted").is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser, page, scheme):
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    paper, ink = tab.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    bright = [sum(int(part) for part in colour[4:-1].split(",")) for colour in (paper, ink)]
    assert (bright[0] > bright[1]) is (scheme == "light")
    context.close()


def test_it_prints_without_controls_and_with_everything_unfolded(opened):
    tab, _ = opened
    tab.emulate_media(media="print")
    assert not tab.locator("#layers .controls").is_visible()
    assert not tab.locator("#layers thead button").first.is_visible()
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details:not([open])").count() > 0
    pdf = tab.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page/") >= 3
