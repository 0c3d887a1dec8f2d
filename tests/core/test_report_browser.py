"""The report in a real browser: it shows what a metric and the declared fields say, and controls only for what is there."""

import pytest
import report_samples as samples
from mindpoint.report.gallery import Layers
from toy import Painter

SWITCHES = {"truth", "found", "boxes", "labels"}


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens a report that one of the samples' functions writes."""

    def open_page(write):
        chromium.get(write(tmp_path).as_uri())
        return chromium

    yield open_page
    assert chromium.get_log("browser") == []


def texts(page, selector):
    return page.execute_script("return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)", selector)


def shown(page, selector):
    script = "return [...document.querySelectorAll(arguments[0])].filter((node) => node.getClientRects().length).length"
    return page.execute_script(script, selector)


def switches(page):
    script = "return [...document.querySelectorAll('[id^=show-]')].filter((n) => n.getClientRects().length).map((n) => n.id.slice(5))"
    return set(page.execute_script(script))


def set_control(page, name, value):
    script = "const c = document.getElementById(arguments[0]); c.checked = c.value = arguments[1]; c.dispatchEvent(new Event('input'))"
    page.execute_script(script, name, value)


@pytest.mark.slow
def test_boxes_only(opened):
    page = opened(samples.plain)
    assert switches(page) == {*SWITCHES, "marks"} and not shown(page, "#layer")
    assert texts(page, ".card .name") == ["7.png", "4.png", "9.png"]
    assert texts(page, ".card:first-child .truth .label") == ["house", "boat"], "drawn last is first"
    assert texts(page, ".card:first-child .found .label") == ["boat 0.40", "boat 0.87"]
    strokes = "return [...document.querySelectorAll('.card:first-child .mark')].map((mark) => getComputedStyle(mark).stroke)"
    assert page.execute_script(strokes) == ["rgb(18, 52, 86)", "rgb(220, 38, 38)"], "the metric's colour, and a chosen one"
    assert texts(page, "#legend > span")[-1] == "background"
    assert texts(page, ".card:first-child .badge") == ["1 missed", "1 background"]
    set_control(page, "kind", "background")
    assert texts(page, ".card .name") == ["7.png"]


def test_images_of_a_class(opened):
    dataset = samples.Pictures(["boat", "house"])
    analysis = samples.analysed(dataset)
    analysis.images[9].truth.pop()  # the house
    page = opened(lambda folder: samples.write(folder, dataset, analysis))
    assert texts(page, "#class option") == ["all", "boat (3 images)", "house (2 images)"]
    set_control(page, "class", "house")
    assert texts(page, ".card .name") == ["7.png", "4.png"]
    set_control(page, "class", "")
    assert texts(page, ".card .name") == ["7.png", "4.png", "9.png"]


def test_one_class_needs_no_filter(opened):
    assert not shown(opened(samples.turned), "#class")


def test_a_long_table_is_folded_and_sorted(opened):
    page = opened(samples.long)
    assert shown(page, ".bars tbody tr") == 12 and texts(page, ".unfold") == ["Show all 20 rows"]
    names = lambda: texts(page, ".bars tbody th")  # noqa: E731
    share, count = (page.find_elements("css selector", ".bars thead button")[column] for column in (2, 1))
    count.click()
    assert names()[:2] == ["row 19", "row 18"] and shown(page, ".bars tbody tr") == 12
    share.click()
    assert names()[0] == "row 0" and names()[-1] == "row 19", "what is undefined comes last"
    share.click()
    assert names()[0] == "row 18" and names()[-1] == "row 19"
    page.find_elements("css selector", ".bars thead button")[0].click()
    assert names()[:3] == ["row 0", "row 1", "row 10"]
    page.find_element("css selector", ".unfold").click()
    assert shown(page, ".bars tbody tr") == 20 and texts(page, ".unfold") == ["Show only 12 rows"]


def test_a_metric_without_analysis_and_a_rotation(opened):
    page = opened(samples.turned)
    assert switches(page) == {*SWITCHES, "directions"}
    assert "error" not in page.find_element("id", "images").text.lower()
    assert shown(page, ".truth .direction") == 6 and shown(page, ".found .direction") == 1
    tip = page.execute_script("return document.querySelector('.truth .direction').points[1]")
    assert tip["x"] < 115 and tip["y"] < 75, "the last object of an image is drawn first: -2 radians are to the left and up"
    set_control(page, "show-directions", "")
    assert shown(page, ".direction") == 0 and shown(page, ".box") == 7
    page.find_elements("css selector", ".card button")[1].click()
    assert "0.70" in page.find_element("id", "large-body").text and "depth 12.35" in page.find_element("id", "large-body").text


def test_points_have_names_lines_colours_and_errors(opened):
    page = opened(samples.pointed)
    assert switches(page) == {*SWITCHES, "points", "lines", "marks"}
    assert texts(page, ".card:first-child .found .point title") == ["bow", "stern: missed"]
    fills = "return [...document.querySelectorAll('.card:first-child .found .point')].map((point) => getComputedStyle(point).fill)"
    assert page.execute_script(fills) == ["rgb(0, 0, 255)", "rgb(255, 0, 0)"]
    assert shown(page, ".line") == 9 and shown(page, "circle.mark") == 3
    for name in ("line", "point", "mark"):
        set_control(page, f"show-{name}s", "")
        assert shown(page, f".{name}") == 0


def test_a_visualizer_s_picture_replaces_what_the_page_draws(opened):
    dataset = samples.Pictures(["boat"])
    layers = Layers(visualizer=Painter(["boat"]))
    page = opened(lambda folder: samples.write(folder, dataset, samples.analysed(dataset), layers))
    assert shown(page, ".box") == 10 and shown(page, ".layer") == 0
    set_control(page, "layer", "truth, drawn")
    assert shown(page, ".box") == 0 and shown(page, ".layer") == 3


def test_every_control_has_a_name(opened):
    page = opened(samples.pointed)
    script = """return [...document.querySelectorAll('input, select, button, svg, dialog')].filter((node) =>
        !(node.labels && node.labels.length) && !node.getAttribute('aria-label') && !node.textContent.trim()
        ).map((node) => node.outerHTML)"""
    assert page.execute_script(script) == []
