"use strict";
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const byId = (id) => document.getElementById(id);
  const PAGE = 24;
  const SVG = "http://www.w3.org/2000/svg";
  const KIND_COLORS = { miss: "--miss", swap: "--swap", inversion: "--inversion", jitter: "--jitter" };
  let chosen = [], shown = 0, open = -1;

  const element = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const shape = (tag, attributes, parent) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    parent.append(node);
    return node;
  };
  const problems = (image) => Object.values(image.counts).reduce((sum, count) => sum + count, 0);
  const topScore = (image) => Math.max(0, ...image.found.map((object) => object.score || 0));

  const extent = (object) => {
    const xs = object.points.filter((_, place) => place % 3 === 0), ys = object.points.filter((_, place) => place % 3 === 1);
    const span = (values) => (values.length ? Math.max(...values) - Math.min(...values) : 0);
    return object.box ? Math.max(object.box[2], object.box[3]) : Math.max(span(xs), span(ys));
  };

  const drawObject = (object, group, picture) => {
    const points = object.points, at = (joint) => [points[3 * joint], points[3 * joint + 1], points[3 * joint + 2]];
    const unit = Math.max(picture / 3, Math.min(picture, extent(object) / 60));  // thin lines for small people
    if (object.box) {
      const [left, top, across, down] = object.box;  // a network that has learnt nothing gives boxes inside out
      const x = Math.min(left, left + across), y = Math.min(top, top + down), width = Math.abs(across), height = Math.abs(down);
      shape("rect", { class: "box", x, y, width, height, "stroke-width": 1.6 * unit }, group);
      const text = object.score === undefined ? "" : object.score.toFixed(2);
      shape("text", { class: "label", x, y: y - 3 * unit, "font-size": 11 * picture, "stroke-width": 2.5 * picture }, group).textContent = text;
    }
    for (const [first, second] of content.skeleton) {
      const a = at(first), b = at(second);
      if (a[2] > 0 && b[2] > 0) {
        shape("line", { class: "bone", x1: a[0], y1: a[1], x2: b[0], y2: b[1], "stroke-width": 2.2 * unit }, group);
      }
    }
    for (let joint = 0; joint < points.length / 3; joint++) {
      const [x, y, visibility] = at(joint);
      if (visibility > 0) {
        const hidden = visibility === 1 && object.score === undefined ? " hidden" : "";
        const dot = shape("circle", { class: "joint" + hidden, cx: x, cy: y, r: 3 * unit, "stroke-width": 0.8 * unit }, group);
        const kind = (object.joints && object.joints[joint]) || "";
        shape("title", {}, dot).textContent = content.joints[joint] + (kind ? ": " + kind : "");
        if (kind) shape("circle", { class: "mark " + kind, cx: x, cy: y, r: 7 * unit, "stroke-width": 2.2 * unit }, group);
      }
    }
  };

  const picture = (image, scale) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "picture");
    svg.setAttribute("viewBox", `0 0 ${image.width} ${image.height}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${image.name}: ${image.truth.length} annotated, ${image.found.length} found, error ${image.error.toFixed(2)}`);
    const whole = { x: 0, y: 0, width: image.width, height: image.height, preserveAspectRatio: "none" };
    shape("image", { ...whole, href: image.src }, svg);
    for (const [name, href] of Object.entries(image.heat)) shape("image", { ...whole, href, class: "heat", "data-heat": name }, svg);
    const unit = Math.max(image.width / scale, image.height / scale);
    for (const side of ["truth", "found"]) {
      const group = shape("g", { class: side }, svg);
      for (const object of image[side]) drawObject(object, group, unit);
    }
    showHeat(svg);
    return svg;
  };

  const showHeat = (root) => {
    const wanted = byId("heat").value;
    for (const layer of root.querySelectorAll(".heat")) layer.classList.toggle("on", layer.dataset.heat === wanted);
  };

  const badges = (image) => Object.entries(image.counts).map(([kind, count]) => {
    const dot = element("i");
    if (KIND_COLORS[kind]) dot.style.background = `var(${KIND_COLORS[kind]})`;
    return element("span", { class: "badge", title: content.kinds[kind] || "" }, dot, `${count} ${kind}`);
  });

  const card = (image, place) => {
    const button = element("button", { type: "button", "aria-label": "Enlarge " + image.name }, picture(image, 330));
    button.addEventListener("click", () => enlarge(place));
    const bar = element("i");
    bar.style.width = 100 * image.error + "%";
    const text = element("div", {},
      element("span", { class: "name" }, image.name), ` error ${image.error.toFixed(2)}`,
      element("div", { class: "meter", style: "padding:0" }, bar), ...badges(image));
    return element("article", { class: "card", "data-id": image.id, "data-error": image.error }, button, text);
  };

  const list = (objects) => {
    const items = objects.map((object) => {
      const wrong = {};
      (object.joints || []).forEach((kind, joint) => { if (kind) (wrong[kind] = wrong[kind] || []).push(content.joints[joint]); });
      const more = Object.entries(wrong).map(([kind, joints]) => `; ${kind}: ${joints.join(", ")}`).join("");
      const score = object.score === undefined ? "" : object.score.toFixed(2) + ": ";
      return element("li", {}, score + object.text + (object.kind && object.kind !== "missed" ? ` (${object.kind})` : "") + more);
    });
    return items.length ? element("ul", {}, ...items) : element("p", {}, "none");
  };

  const enlarge = (place) => {
    open = place;
    const image = chosen[place];
    const side = element("div", {}, element("h2", {}, image.name),
      element("p", {}, `${place + 1} of ${chosen.length}, ${image.width} x ${image.height} pixels, error ${image.error.toFixed(3)}`),
      element("h3", {}, "Annotated"), list(image.truth), element("h3", {}, "Found"), list(image.found));
    byId("large-body").replaceChildren(picture(image, 800), side);
    byId("large").className = byId("gallery").className;
    if (!byId("large").open) byId("large").showModal();
  };

  const more = () => {
    const next = chosen.slice(shown, shown + PAGE);
    byId("gallery").append(...next.map((image, offset) => card(image, shown + offset)));
    shown += next.length;
    byId("more").hidden = shown >= chosen.length;
  };

  const ORDERS = {
    error: (a, b) => b.error - a.error || problems(b) - problems(a),
    best: (a, b) => a.error - b.error,
    problems: (a, b) => problems(b) - problems(a),
    objects: (a, b) => b.truth.length - a.truth.length,
    score: (a, b) => topScore(b) - topScore(a),
    name: (a, b) => a.name.localeCompare(b.name),
  };

  const update = () => {
    const kind = byId("kind").value, part = byId("search").value.toLowerCase(), least = Number(byId("least").value);
    byId("least-shown").textContent = least.toFixed(2);
    chosen = content.images.filter((image) =>
      (!kind || image.counts[kind]) && image.name.toLowerCase().includes(part) && image.error >= least);
    chosen.sort(ORDERS[byId("sort").value]);
    shown = 0;
    byId("gallery").replaceChildren();
    byId("count").textContent = `${chosen.length} of ${content.images.length} images`;
    more();
  };

  const layers = () => {
    for (const name of ["truth", "found", "boxes", "skeletons", "marks"]) {
      byId("gallery").classList.toggle("no-" + name, !byId("show-" + name).checked);
    }
    showHeat(document);
  };

  for (const [kind, text] of Object.entries(content.kinds)) {
    const count = content.images.filter((image) => image.counts[kind]).length;
    byId("kind").append(element("option", { value: kind, title: text }, `${kind} (${count} images)`));
  }
  const heats = [...new Set(content.images.flatMap((image) => Object.keys(image.heat)))];
  byId("heat").append(...heats.map((name) => element("option", { value: name }, name)));
  byId("heat").disabled = heats.length === 0;
  const key = (color, text, round) => {
    const swatch = element("span", { class: "swatch" + (round ? " ring" : "") });
    swatch.style[round ? "borderColor" : "background"] = `var(${color})`;
    return element("span", {}, swatch, text);
  };
  byId("legend").append(key("--truth", "truth (dashed box, hidden joints hollow)"), key("--found", "prediction, with its score"),
    ...Object.entries(KIND_COLORS).filter(([kind]) => content.kinds[kind]).map(([kind, color]) => key(color, kind, true)));

  for (const id of ["sort", "kind", "search", "least"]) byId(id).addEventListener("input", update);
  for (const id of ["show-truth", "show-found", "show-boxes", "show-skeletons", "show-marks", "heat"]) byId(id).addEventListener("input", layers);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", more);
  byId("previous").addEventListener("click", () => enlarge((open + chosen.length - 1) % chosen.length));
  byId("next").addEventListener("click", () => enlarge((open + 1) % chosen.length));
  byId("large").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") byId("previous").click();
    if (event.key === "ArrowRight") byId("next").click();
  });
  layers();
  update();
})();
