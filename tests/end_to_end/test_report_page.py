"""The report of a model of people in a real browser. CI must have one; elsewhere the tests are skipped without."""

import re

import pytest


@pytest.fixture
def page(chromium, evaluated):
    chromium.get(evaluated.report.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []


def wait_for(page, state):
    """A browser on a busy machine takes its time."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 20).until(lambda _: state())


def choose(page, name, value):
    """Set a control as a user does, with its event."""
    page.execute_script(
        "const c = document.getElementById(arguments[0]);"
        "if (c.type === 'checkbox') c.checked = arguments[1]; else c.value = arguments[1];"
        "c.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def cards(page, value="id"):
    return page.execute_script(f"return [...document.querySelectorAll('.card')].map((card) => card.dataset.{value})")


def visible(page, selector):
    script = "return [...document.querySelectorAll(arguments[0])].filter((node) => getComputedStyle(node).display !== 'none').length"
    return page.execute_script(script, selector)


@pytest.mark.slow
def test_it_opens_with_everything_and_no_network(page, evaluated):
    assert "tiny.ckpt" in page.title
    groups = page.execute_script("return [...document.querySelectorAll('.tile small')].map((group) => group.textContent)")
    assert sorted(groups) == ["bbox"] * 3 + ["joints"] * 3 + ["keypoints"] * 3
    assert page.execute_script("return document.querySelectorAll('.chart svg path[clip-path]').length") > 10
    rows = page.execute_script("return [...document.querySelectorAll('.bars tbody th')].map((cell) => cell.textContent)")
    assert {"miss", "swap", "inversion", "jitter", "score", "background", "nose", "left_ankle"} <= set(rows)
    assert "30 images with the largest errors of 47" in page.find_element("tag name", "body").text
    loaded = page.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name).filter((n) => !n.startsWith('data:'))"
    )
    assert loaded == []
    assert page.execute_script("return [...document.images].every((image) => image.complete && image.naturalWidth)")
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", evaluated.report.read_text())


@pytest.mark.slow
def test_images_come_worst_first_and_in_other_orders(page):
    wait_for(page, lambda: len(cards(page)) == 24)
    errors = list(map(float, cards(page, "error")))
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[-1]
    page.find_element("id", "more").click()
    wait_for(page, lambda: len(cards(page)) == 30 and not page.find_element("id", "more").is_displayed())
    choose(page, "sort", "best")
    errors = list(map(float, cards(page, "error")))
    assert errors == sorted(errors)
    choose(page, "sort", "name")
    names = page.execute_script("return [...document.querySelectorAll('.card .name')].map((node) => node.textContent)")
    assert names == sorted(names)


@pytest.mark.slow
def test_filters(page):
    everything = set(cards(page))
    kind = page.execute_script("return [...document.getElementById('kind').options].find((o) => o.value && !o.text.includes('(0 '))")
    value, count = kind.get_attribute("value"), int(re.search(r"\((\d+) images", kind.text).group(1))
    choose(page, "kind", value)
    assert page.find_element("id", "count").text == f"{count} of 30 images"
    badges = page.execute_script("return [...document.querySelectorAll('.card')].map((card) => card.textContent)")
    assert badges and all(f" {value}" in text for text in badges)
    choose(page, "kind", "")
    name = page.find_element("css selector", ".card .name").text
    choose(page, "search", name.upper())
    assert len(cards(page)) == 1 and page.find_element("id", "count").text == "1 of 30 images"
    choose(page, "search", "no such file")
    assert cards(page) == [] and page.find_element("id", "count").text == "0 of 30 images"
    choose(page, "search", "")
    choose(page, "least", "0.05")
    assert all(float(error) >= 0.05 for error in cards(page, "error"))
    choose(page, "least", "0")
    assert set(cards(page)) == everything


@pytest.mark.slow
def test_switches(page):
    shown = lambda selector: page.execute_script(  # noqa: E731  a hidden group hides what is in it
        "return [...document.querySelectorAll(arguments[0])].filter((n) => n.getClientRects().length).length", selector
    )
    selectors = {"truth": ".truth .point", "found": ".found .point", "boxes": ".box", "lines": ".line", "marks": ".mark"}
    for control, selector in selectors.items():
        before = shown(selector)
        assert before > 0
        choose(page, f"show-{control}", False)
        assert shown(selector) == 0, control
        choose(page, f"show-{control}", True)
        assert shown(selector) == before, control


@pytest.mark.slow
def test_heatmaps(page):
    assert visible(page, ".layer") == 0
    for name in ("centres", "joints"):
        choose(page, "layer", name)
        assert visible(page, f".layer[data-layer={name}]") == visible(page, ".layer") == 24


@pytest.mark.slow
def test_an_image_is_enlarged_and_the_next_one_reached(page):
    first, second = page.find_elements("css selector", ".card button")[:2]
    names = [button.get_attribute("aria-label").replace("Enlarge ", "") for button in (first, second)]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", first)
    first.click()
    heading = page.find_element("css selector", "#large-body h2")
    assert heading.text == names[0] and page.find_element("id", "large").is_displayed()
    page.find_element("id", "next").click()
    assert page.find_element("css selector", "#large-body h2").text == names[1]
    page.find_element("id", "close").click()
    assert not page.find_element("id", "large").is_displayed()


@pytest.mark.slow
def test_every_control_has_a_name(page):
    script = """return [...document.querySelectorAll('input, select, button, svg, dialog')].filter((node) =>
        !(node.labels && node.labels.length) && !node.getAttribute('aria-label') && !node.textContent.trim())
        .map((node) => node.outerHTML)"""
    assert page.execute_script(script) == []
