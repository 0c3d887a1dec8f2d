"""Tests of a report's content, read from the page's text. Its behaviour in a browser is tested elsewhere."""

import base64
import dataclasses
import json
import re

import cv2
import numpy as np
import pytest
import report_samples as samples
from mindpoint.contracts.analysis import Analysis, Chart, Finding, ImageFindings, Kind, Line
from mindpoint.contracts.fields import Angles, Field, Points
from mindpoint.contracts.instances import Detections
from mindpoint.report.gallery import Layers
from mindpoint.visual.charts import svg_chart
from mindpoint.visual.html import document, image_uri
from report_samples import TIPS
from toy import Painter


def content(path):
    return json.loads(re.search(r'<script id="content"[^>]*>(.*?)</script>', path.read_text(), re.DOTALL).group(1))


def decoded(uri):
    return cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)


def test_objects_have_class_kind_and_text(tmp_path):
    shown = content(samples.plain(tmp_path))
    assert [image["id"] for image in shown["images"]] == [7, 4, 9], "the largest error first"
    assert [(o["class"], o["text"], o["kind"], o["box"]) for o in shown["images"][0]["truth"]] == [
        ("boat", "found", "", [10, 20, 60, 40]),
        ("house", "not found", "missed", [90, 40, 50, 70]),
    ]
    assert shown["images"][0]["counts"] == {"missed": 1, "background": 1} and shown["points"] == []
    assert "resolution original" in samples.plain(tmp_path).read_text() and "toy &lt;model&gt;" in samples.plain(tmp_path).read_text()


def test_kinds_have_their_colour_or_one_of_their_own(tmp_path):
    assert content(samples.plain(tmp_path))["kinds"]["missed"] == {"definition": samples.KINDS["missed"].definition, "color": "#123456"}
    dataset = samples.Pictures(["boat"])
    kinds = {"red": Kind("is red", "#dc2626"), **{str(n): Kind("is not said") for n in range(7)}}
    analysis = dataclasses.replace(samples.analysed(dataset), kinds=kinds)
    colors = [kind["color"] for kind in content(samples.write(tmp_path, dataset, analysis))["kinds"].values()]
    assert colors[0] == "#dc2626" and len(set(colors)) == 8 and all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)


def test_points_come_from_the_declared_field(tmp_path):
    shown = content(samples.pointed(tmp_path))
    assert shown["points"] == [{"name": "tips", "names": ["bow", "stern"], "lines": [[0, 1]], "colors": ["#0000ff", "#ff0000"]}]
    (found,) = shown["images"][1]["found"]
    assert found["points"] == {"tips": [15, 25, 2, 65, 55, 2]} and found["parts"] == ["", "missed"]


def test_annotated_points_may_be_hidden(tmp_path):
    """The third number of an annotated point is a flag only where the data set says so."""
    record = {"image_id": 9, "category_id": 3, "bbox": [0, 0, 9, 9], "tips": [1, 2, 1, 3, 4, 2]}
    for seen, expected in ((2, [1, 2, 1, 3, 4, 2]), (None, [1, 2, 2, 3, 4, 2])):
        dataset = samples.Pictures(["boat"], [Points("tips", 2, 3, seen=seen)])
        analysis = Analysis(images={9: ImageFindings(1.0, [Finding(record)], [Finding({**record, "score": 1})])})
        image = content(samples.write(tmp_path, dataset, analysis))["images"][0]
        assert image["truth"][0]["points"]["tips"] == expected and image["found"][0]["points"]["tips"] == [1, 2, 2, 3, 4, 2]


def test_without_an_analysis_likely_results_are_shown(tmp_path):
    shown = content(samples.turned(tmp_path))
    assert not shown["judged"] and [image["id"] for image in shown["images"]] == [9, 4, 7]
    (found,) = shown["images"][1]["found"]
    assert (found["score"], found["angles"], found["values"]) == (0.7, [1.0], {"rotation": "1", "depth": "12.35"})
    assert [len(image["truth"]) for image in shown["images"]] == [2, 2, 2] and shown["images"][0]["truth"][1]["angles"] == [-2.0]


def test_what_is_not_finite_is_left_out(tmp_path):
    """A browser's JSON has no NaN, and one would empty the whole page."""
    nan, fields = float("nan"), [TIPS, Angles("rotation"), Field("depth"), Field("plate", (), "U8")]
    record = {
        "image_id": 9,
        "bbox": [0, nan, 9, 9],
        "score": nan,
        "tips": [nan, 2, 1, 3, 4, 1],
        "rotation": nan,
        "depth": nan,
        "plate": "AB 1",
    }
    dataset = samples.Pictures(["boat"])
    analysis = Analysis(images={9: ImageFindings(nan, [], [Finding(record)]), 7: ImageFindings(0.1, [], [])})
    dataset.fields = fields
    whole = samples.gallery(analysis, dataset, fields, samples.worst_first(analysis, dataset, 2), lambda items, total: items)
    assert [image["id"] for image in whole] == [7, 9] and json.dumps(whole, allow_nan=False)
    (found,) = whole[1]["found"]
    assert "box" not in found and "score" not in found and found["angles"] == []
    assert found["points"] == {"tips": [0, 0, 0, 3, 4, 2]} and found["values"] == {"rotation": "nan", "depth": "nan", "plate": "AB 1"}


def test_images_of_both_types_look_alike(tmp_path):
    for image in content(samples.plain(tmp_path))["images"]:
        assert abs(decoded(image["src"]).astype(int) - 100).max() <= 1


def test_pictures_of_a_visualizer_are_layers(tmp_path):
    dataset = samples.Pictures(["boat"])
    box = np.array([[1, 1, 9, 9]], np.float32)
    found = Detections(np.repeat(box, 2, 0), np.array([0.9, 0.1], np.float32), np.zeros(2, np.int64))
    layers = Layers(visualizer=Painter(["boat"], 200), detections={4: found})
    images = content(samples.write(tmp_path, dataset, samples.analysed(dataset), layers))["images"]
    drawn = {image["id"]: {name: decoded(uri)[0, 0] for name, uri in image["drawn"].items()} for image in images}
    np.testing.assert_allclose(drawn[4]["truth, drawn"], [200, 102, 0], atol=3)  # JPEG
    np.testing.assert_allclose(drawn[4]["predictions, drawn"], [200, 2, 1], atol=3)
    assert list(drawn[9]) == ["truth, drawn"]


@pytest.mark.parametrize("make", [samples.plain, samples.turned, samples.pointed])
def test_nothing_of_a_task_is_in_the_page_itself(tmp_path, make):
    text = re.sub(r'<script id="content".*?</script>', "", make(tmp_path).read_text(), flags=re.DOTALL).lower()
    assert not re.search(r"joint|skeleton|bone|person|people|swap|jitter|inversion|keypoint", text)
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)


def test_sections_without_content_are_left_out(tmp_path):
    text = samples.turned(tmp_path).read_text()
    assert 'href="#curves"' not in text and 'id="errors"' not in text
    assert 'href="#curves"' in samples.plain(tmp_path).read_text()


class TestCharts:
    def chart(self, title, name="AP 0.123"):
        return svg_chart(Chart(title, "recall", "precision", [Line(name, [0, 0.5, 1], [1, 0.25, 0])]))

    def test_texts_stay_and_places_are_right(self):
        svg = self.chart("A <b>", "IoU 0.125 & more")
        assert 'aria-label="A &lt;b&gt;"' in svg and ">IoU 0.125 &amp; more<" in svg and ">recall<" in svg and ">precision<" in svg
        line = re.search(r'd="M ([\d.]+) ([\d.]+) L ([\d.]+) ([\d.]+) L ([\d.]+) ([\d.]+) "[^>]*#1f77b4', svg)
        x0, y0, x1, y1, x2, y2 = map(float, line.groups())
        assert x1 - x0 == pytest.approx(x2 - x1, abs=0.3) and y1 - y0 == pytest.approx(3 * (y2 - y1), abs=0.6)

    def test_a_page_can_hold_several(self):
        first, second = self.chart("a"), self.chart("b")
        ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (first, second)]
        assert ids[0] and not ids[0] & ids[1]
        assert ids[0] == set(re.findall(r"#([mp][0-9a-f]{8,})", first)), "only what is referred to"
        assert "<style" not in first and len(first) < 12000

    def test_gaps_and_no_line_at_all(self):
        svg = svg_chart(Chart("", "", "", [Line("a", [0, 0.5, 1], [float("nan"), 0.5, float("nan")])]))
        assert "<use" in svg
        assert svg_chart(Chart("", "", "", [])).startswith("<svg")


def test_documents_hold_their_images():
    image = np.zeros((4, 5, 4), np.uint8)
    image[..., 3] = 7
    np.testing.assert_array_equal(decoded(image_uri(image, ".png")), image)
    np.testing.assert_array_equal(decoded(image_uri(np.ones((4, 5, 3), np.float32), ".png")), np.full((4, 5, 3), 255))
    assert image_uri(image[..., :3]).startswith("data:image/jpeg;base64,")
    text = document("a < b", "<p>b</p>", "<p>c</p>", style="p {}")
    assert "<title>a &lt; b</title>" in text and "<p>c</p>" in text and "default-src 'none'" in text
