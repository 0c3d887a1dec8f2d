"use strict";
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const byId = (id) => document.getElementById(id);
  const PAGE = 24;
  const SWITCHES = ["truth", "found", "boxes", "labels", "points", "lines", "directions", "marks"];
  const SVG = "http://www.w3.org/2000/svg";
  const colorOf = (kind) => (content.kinds[kind] || {}).color || "#94a3b8";
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

  const classesOf = (image) => new Set([...image.truth, ...image.found].map((object) => object.class).filter(Boolean));
  const classes = new Set(content.images.flatMap((image) => [...classesOf(image)]));

  const extent = (object) => {
    const span = (values) => (values.length ? Math.max(...values) - Math.min(...values) : 0);
    const axis = (which) => Object.values(object.points).flatMap((flat) => flat.filter((_, place) => place % 3 === which));
    return object.box ? Math.max(Math.abs(object.box[2]), Math.abs(object.box[3])) : Math.max(span(axis(0)), span(axis(1)));
  };

  const labelOf = (object) => {
    const words = [classes.size > 1 ? object.class : "", object.score === undefined ? "" : object.score.toFixed(2)];
    return words.filter(Boolean).join(" ");
  };

  const drawLabel = (object, box, group, image, picture) => {
    const text = labelOf(object), size = 11 * picture, below = object.score === undefined;  // truth below its box, predictions above
    if (!text) return;
    const y = below ? Math.min(box.y + box.height + size, image.height - 0.3 * size) : Math.max(box.y - 0.3 * size, size);
    const x = Math.max(0, Math.min(box.x, image.width - 0.6 * size * text.length));
    shape("text", { class: "label", x, y, "font-size": size, "stroke-width": 2.5 * picture }, group).textContent = text;
  };

  const drawMark = (kind, tag, attributes, group) => {
    if (kind) shape(tag, { class: "mark", stroke: colorOf(kind), ...attributes }, group);
  };

  const drawBox = (object, group, image, unit, picture) => {
    const [left, top, across, down] = object.box;  // a network that has learnt nothing gives boxes inside out
    const box = { x: Math.min(left, left + across), y: Math.min(top, top + down), width: Math.abs(across), height: Math.abs(down) };
    const around = { x: box.x - 3 * unit, y: box.y - 3 * unit, width: box.width + 6 * unit, height: box.height + 6 * unit };
    drawMark(object.kind, "rect", { ...around, "stroke-width": 2 * unit }, group);
    shape("rect", { class: "box", ...box, "stroke-width": 1.6 * unit }, group);
    drawLabel(object, box, group, image, picture);
    for (const angle of object.angles) {
      const x = box.x + box.width / 2, y = box.y + box.height / 2, long = Math.min(box.width, box.height) / 2;
      const at = (turn, part) => `${x + part * long * Math.cos(angle + turn)},${y + part * long * Math.sin(angle + turn)}`;
      const points = [at(0, 0), at(0, 1), at(0.35, 0.75), at(0, 1), at(-0.35, 0.75)].join(" ");
      shape("polyline", { class: "direction", points, "stroke-width": 2 * unit }, group);
    }
  };

  const drawPoints = (object, field, parts, group, unit) => {
    const flat = object.points[field.name] || [], at = (point) => flat.slice(3 * point, 3 * point + 3);
    for (const [first, second] of field.lines) {
      const a = at(first), b = at(second);
      if (a[2] > 0 && b[2] > 0) {
        shape("line", { class: "line", x1: a[0], y1: a[1], x2: b[0], y2: b[1], "stroke-width": 2.2 * unit }, group);
      }
    }
    for (let point = 0; point < flat.length / 3; point++) {
      const [cx, cy, visibility] = at(point), kind = parts[point] || "";
      if (!(visibility > 0)) continue;
      const hidden = visibility === 1 ? " hidden" : "";
      const look = { class: "point" + hidden, fill: field.colors[point], "stroke-width": 1.2 * unit };
      const dot = shape("circle", { ...look, cx, cy, r: 3 * unit }, group);
      shape("title", {}, dot).textContent = field.names[point] + (kind ? ": " + kind : "");
      drawMark(kind, "circle", { cx, cy, r: 7 * unit, "stroke-width": 2.2 * unit }, group);
    }
  };

  const drawObject = (object, group, image, picture) => {
    const unit = Math.max(picture / 3, Math.min(picture, extent(object) / 60));  // thin lines for small objects
    if (object.box) drawBox(object, group, image, unit, picture);
    content.points.forEach((field, place) => drawPoints(object, field, place ? [] : object.parts, group, unit));
  };

  const picture = (image, scale) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "picture");
    svg.setAttribute("viewBox", `0 0 ${image.width} ${image.height}`);
    svg.setAttribute("role", "img");
    const error = content.judged ? `, error ${image.error.toFixed(2)}` : "";
    svg.setAttribute("aria-label", `${image.name}: ${image.truth.length} annotated, ${image.found.length} found${error}`);
    const whole = { x: 0, y: 0, width: image.width, height: image.height, preserveAspectRatio: "none" };
    shape("image", { ...whole, href: image.src }, svg);
    for (const [name, href] of [...Object.entries(image.drawn), ...Object.entries(image.heat)]) {
      shape("image", { ...whole, href, class: "layer", "data-layer": name }, svg);
    }
    const unit = Math.max(image.width / scale, image.height / scale);
    for (const side of ["truth", "found"]) {
      const group = shape("g", { class: side }, svg);
      for (const object of [...image[side]].reverse()) drawObject(object, group, image, unit);
    }
    showLayer(svg);
    return svg;
  };

  const showLayer = (root) => {
    const wanted = byId("layer").value;
    for (const layer of root.querySelectorAll(".layer")) layer.classList.toggle("on", layer.dataset.layer === wanted);
  };

  const badges = (image) => Object.entries(image.counts).map(([kind, count]) => {
    const dot = element("i");
    dot.style.background = colorOf(kind);
    return element("span", { class: "badge", title: (content.kinds[kind] || {}).definition || "" }, dot, `${count} ${kind}`);
  });

  const card = (image, place) => {
    const button = element("button", { type: "button", "aria-label": "Enlarge " + image.name }, picture(image, 330));
    button.addEventListener("click", () => enlarge(place));
    const text = element("div", {}, element("span", { class: "name" }, image.name));
    if (content.judged) {
      const bar = element("i");
      bar.style.width = 100 * image.error + "%";
      text.append(` error ${image.error.toFixed(2)}`, element("div", { class: "meter", style: "padding:0" }, bar), ...badges(image));
    } else {
      text.append(` ${image.truth.length} annotated, ${image.found.length} found`);
    }
    return element("article", { class: "card", "data-id": image.id, "data-error": image.error }, button, text);
  };

  const list = (objects) => {
    const names = content.points.length ? content.points[0].names : [];
    const items = objects.map((object) => {
      const wrong = {};
      object.parts.forEach((kind, part) => { if (kind) (wrong[kind] = wrong[kind] || []).push(names[part] || part); });
      const more = [object.text + (object.kind ? ` (${object.kind})` : ""),
        ...Object.entries(object.values).map(([name, value]) => `${name} ${value}`),
        ...Object.entries(wrong).map(([kind, parts]) => `${kind}: ${parts.join(", ")}`)].filter(Boolean).join("; ");
      const label = [object.class, object.score === undefined ? "" : object.score.toFixed(2)].filter(Boolean).join(" ");
      return element("li", {}, [label, more].filter(Boolean).join(": "));
    });
    return items.length ? element("ul", {}, ...items) : element("p", {}, "none");
  };

  const enlarge = (place) => {
    open = place;
    const image = chosen[place];
    const error = content.judged ? `, error ${image.error.toFixed(3)}` : "";
    const side = element("div", {}, element("h2", {}, image.name),
      element("p", {}, `${place + 1} of ${chosen.length}, ${image.width} x ${image.height} pixels${error}`),
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

  // A long table shows its first rows until it is unfolded, and its columns sort it: numbers with the largest first, what is not a number last.
  const FOLDED = 12, LONG = 15;
  const sortable = (table, column) => {
    const head = table.tHead.rows[0].cells[column], button = element("button", { type: "button", class: "sort" }, head.textContent);
    const value = (row) => parseFloat(row.cells[column].textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending", side = down ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows], numbers = rows.some((row) => !Number.isNaN(value(row)));
      rows.sort((a, b) => (numbers
        ? Number.isNaN(value(a)) - Number.isNaN(value(b)) || side * (value(a) - value(b)) || 0
        : -side * a.cells[column].textContent.localeCompare(b.cells[column].textContent)));
      table.tBodies[0].append(...rows);
    });
  };
  for (const table of document.querySelectorAll("table.bars")) {
    const count = table.tBodies[0].rows.length;
    if (count <= LONG) continue;
    for (let column = 0; column < table.tHead.rows[0].cells.length; column++) sortable(table, column);
    const unfold = element("button", { type: "button", class: "unfold" });
    const fold = (folded) => {
      table.classList.toggle("folded", folded);
      unfold.textContent = folded ? `Show all ${count} rows` : `Show only ${FOLDED} rows`;
    };
    unfold.addEventListener("click", () => fold(!table.classList.contains("folded")));
    table.parentNode.after(unfold);
    fold(true);
  }

  const ORDERS = {
    error: (a, b) => b.error - a.error || problems(b) - problems(a),
    best: (a, b) => a.error - b.error,
    problems: (a, b) => problems(b) - problems(a),
    objects: (a, b) => b.truth.length - a.truth.length,
    score: (a, b) => topScore(b) - topScore(a),
    name: (a, b) => a.name.localeCompare(b.name),
  };

  const update = () => {
    const part = byId("search").value.toLowerCase(), wanted = byId("class").value;
    chosen = content.images.filter((image) => image.name.toLowerCase().includes(part) && (!wanted || classesOf(image).has(wanted)));
    if (content.judged) {
      const kind = byId("kind").value, least = Number(byId("least").value);
      byId("least-shown").textContent = least.toFixed(2);
      chosen = chosen.filter((image) => (!kind || image.counts[kind]) && image.error >= least);
    }
    chosen.sort(ORDERS[byId("sort").value]);
    shown = 0;
    byId("gallery").replaceChildren();
    byId("count").textContent = `${chosen.length} of ${content.images.length} images`;
    more();
  };

  const layers = () => {
    for (const name of SWITCHES) byId("gallery").classList.toggle("no-" + name, !byId("show-" + name).checked);
    byId("gallery").classList.toggle("drawn", drawn.includes(byId("layer").value));
    showLayer(document);
  };

  const objects = content.images.flatMap((image) => [...image.truth, ...image.found]);
  const named = (key) => [...new Set(content.images.flatMap((image) => Object.keys(image[key])))];
  const drawn = named("drawn"), layered = [...drawn, ...named("heat")];
  const reveal = (id, wanted) => { byId(id).parentNode.hidden = !wanted; };  // a switch only if there is something to switch
  const hasPoints = objects.some((object) => Object.keys(object.points).length);
  reveal("show-points", hasPoints);
  reveal("show-lines", hasPoints && content.points.some((field) => field.lines.length));
  reveal("show-directions", objects.some((object) => object.angles.length));
  reveal("show-marks", objects.some((object) => object.kind || object.parts.some(Boolean)));
  reveal("layer", layered.length);
  reveal("class", classes.size > 1);
  for (const name of [...classes].sort()) {
    const count = content.images.filter((image) => classesOf(image).has(name)).length;
    byId("class").append(element("option", { value: name }, `${name} (${count} images)`));
  }
  byId("layer").append(...layered.map((name) => element("option", { value: name }, name)));
  if (!content.judged) for (const node of document.querySelectorAll(".judged")) node.remove();
  for (const [kind, { definition }] of content.judged ? Object.entries(content.kinds) : []) {
    const count = content.images.filter((image) => image.counts[kind]).length;
    byId("kind").append(element("option", { value: kind, title: definition }, `${kind} (${count} images)`));
  }
  const key = (color, text, title) => {
    const swatch = element("span", { class: "swatch" + (title ? " ring" : "") });
    swatch.style[title ? "borderColor" : "background"] = color;
    return element("span", { title: title || "" }, swatch, text);
  };
  byId("legend").append(
    key("var(--truth)", "truth: dashed box" + (classes.size > 1 ? ", class below it" : "") + (hasPoints ? ", hidden points white" : "")),
    key("var(--found)", "prediction: box with " + (classes.size > 1 ? "class and score" : "score") + " above it"),
    ...Object.entries(content.kinds).map(([kind, { definition, color }]) => key(color, kind, definition)));

  for (const id of ["sort", "kind", "class", "search", "least"]) if (byId(id)) byId(id).addEventListener("input", update);
  for (const id of [...SWITCHES.map((name) => "show-" + name), "layer"]) byId(id).addEventListener("input", layers);
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
