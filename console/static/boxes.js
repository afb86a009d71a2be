// Boxes on an image, drawn with the mouse or the keyboard. The rows of fields hold the boxes, in pixels of the image:
// what is drawn is written there, what is entered there is drawn, and the form submits them. So without this script,
// boxes can be entered as numbers.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const SIDES = ["left", "top", "width", "height"];
  const LEAST = 4; // A click without a drag draws no box.
  const CORNERS = [["left", "top"], ["right", "top"], ["left", "bottom"], ["right", "bottom"]];

  function start(part) {
    const canvas = part.querySelector("[data-canvas]");
    if (!canvas) return;
    const [width, height] = [Number(part.dataset.width), Number(part.dataset.height)];
    const rows = part.querySelector("[data-rows]");
    const shapes = part.querySelector("[data-shapes]");
    const status = part.querySelector("[data-status]");
    const template = part.querySelector("[data-template]").innerHTML;
    const labels = [...part.querySelectorAll("[data-tools] input[type=radio]")];
    let next = Math.max(-1, ...[...rows.querySelectorAll("[data-row]")].map((row) => Number(row.dataset.row))) + 1;
    let selected = null;
    let drag = null;

    const within = (number, least, most) => Math.min(Math.max(number, least), most);
    const all = () => [...rows.querySelectorAll("[data-row]")];
    const field = (row, side) => row.querySelector(`[data-side=${side}]`);
    const tool = () => labels.find((one) => one.checked)?.value ?? "0";
    const nameOf = (label) => labels[Number(label)]?.dataset.label ?? "";
    const say = (text) => { status.textContent = text; };

    // The box of a row; null if its fields are none, and then it is not drawn.
    function read(row) {
      const box = { label: field(row, "label").value };
      for (const side of SIDES) {
        const text = field(row, side).value.trim();
        if (text === "" || !Number.isFinite(Number(text))) return null;
        box[side] = Number(text);
      }
      return box.label === "" ? null : box;
    }

    function write(row, box) {
      for (const side of ["label", ...SIDES]) field(row, side).value = String(box[side]);
      row.classList.remove("wrong");
      row.querySelector(".invalid")?.remove();
      row.querySelectorAll("[aria-invalid]").forEach((one) => one.removeAttribute("aria-invalid"));
    }

    function words(row) {
      const box = read(row);
      if (!box) return `${row.querySelector("legend").textContent}, incomplete`;
      return `${row.querySelector("legend").textContent}, ${nameOf(box.label)}: left ${box.left}, top ${box.top}, width ${box.width}, height ${box.height}`;
    }

    function make(name, attributes) {
      const one = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
      return one;
    }

    function draw() {
      const focused = shapes.contains(document.activeElement) ? document.activeElement.dataset.shape : null;
      // Text and corners keep their size on the screen, however small the image is shown.
      const scale = width / (canvas.clientWidth || width);
      shapes.setAttribute("font-size", 14 * scale);
      shapes.replaceChildren();
      all().forEach((row, index) => {
        row.querySelector("legend").textContent = `Box ${index + 1}`;
        const box = read(row);
        row.classList.toggle("selected", row === selected);
        if (!box || box.width <= 0 || box.height <= 0) return;
        const group = make("g", {
          class: `box tone-${Number(box.label) % 6}${row === selected ? " selected" : ""}`,
          tabindex: "0", role: "button", "aria-label": words(row), "data-shape": row.dataset.row,
        });
        const place = { x: box.left, y: box.top, width: box.width, height: box.height, "vector-effect": "non-scaling-stroke" };
        group.append(make("rect", { ...place, class: "grip" }), make("rect", place));
        const text = make("text", { x: box.left, y: box.top, dx: 4, dy: "1.1em" });
        text.textContent = `${index + 1} ${nameOf(box.label)}`;
        group.append(text);
        if (row === selected) {
          for (const [across, down] of CORNERS) {
            group.append(make("circle", {
              cx: box.left + (across === "right" ? box.width : 0), cy: box.top + (down === "bottom" ? box.height : 0),
              r: 7 * scale, class: "corner", "data-corner": `${across} ${down}`,
            }));
          }
        }
        shapes.append(group);
      });
      if (focused !== null) shapes.querySelector(`[data-shape="${focused}"]`)?.focus({ preventScroll: true });
    }

    const rowOf = (shape) => rows.querySelector(`[data-row="${shape.dataset.shape}"]`);
    const shapeOf = (row) => shapes.querySelector(`[data-shape="${row.dataset.row}"]`);

    function add(box) {
      const holder = document.createElement("div");
      holder.innerHTML = template.replaceAll("INDEX", next).replaceAll("NUMBER", all().length + 1);
      const row = holder.querySelector("[data-row]");
      next += 1;
      rows.append(row);
      ready(row);
      write(row, box);
      selected = row;
      return row;
    }

    function remove(row) {
      const [name, others] = [row.querySelector("legend").textContent, all()];
      const near = others[others.indexOf(row) + 1] ?? others[others.indexOf(row) - 1];
      const inShapes = shapes.contains(document.activeElement);
      row.remove();
      selected = null;
      draw();
      say(`${name} removed`);
      if (near) (inShapes ? shapeOf(near) : field(near, "label"))?.focus();
      else part.querySelector("[data-add]").focus();
    }

    function ready(row) {
      const button = row.querySelector("[data-remove]");
      button.hidden = false;
      button.addEventListener("click", () => remove(row));
      row.addEventListener("input", draw);
      row.addEventListener("focusin", () => { selected = row; draw(); });
    }

    // Mouse, pen and touch

    function at(event) {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(canvas.getScreenCTM().inverse());
      return { x: within(Math.round(point.x), 0, width), y: within(Math.round(point.y), 0, height) };
    }

    const between = (a, b) => ({ left: Math.min(a.x, b.x), top: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) });

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const point = at(event);
      const shape = event.target.closest("[data-shape]");
      const corner = event.target.dataset.corner;
      if (shape) {
        selected = rowOf(shape);
        const box = read(selected);
        if (corner) {
          const [across, down] = corner.split(" ");
          drag = { row: selected, box, from: { x: box.left + (across === "left" ? box.width : 0), y: box.top + (down === "top" ? box.height : 0) }, kind: "size" };
        } else drag = { row: selected, box, from: point, kind: "move" };
        draw();
        shapeOf(selected)?.focus({ preventScroll: true });
      } else {
        selected = null;
        drag = { from: point, kind: "new", row: null };
        draw();
      }
      canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
    });

    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const point = at(event);
      if (drag.kind === "move") {
        const left = within(drag.box.left + point.x - drag.from.x, 0, width - drag.box.width);
        const top = within(drag.box.top + point.y - drag.from.y, 0, height - drag.box.height);
        if (left === drag.box.left && top === drag.box.top) return;
        write(drag.row, { ...drag.box, left, top });
      } else {
        const box = between(drag.from, point);
        if (drag.kind === "new" && !drag.row) {
          if (box.width < LEAST || box.height < LEAST) return;
          drag.row = add({ ...box, label: tool() });
        }
        if (box.width > 0 && box.height > 0) write(drag.row, { ...box, label: field(drag.row, "label").value });
      }
      draw();
    });

    function drop() {
      if (drag?.row) {
        shapeOf(drag.row)?.focus({ preventScroll: true });
        say(words(drag.row));
      }
      drag = null;
    }
    canvas.addEventListener("pointerup", drop);
    canvas.addEventListener("pointercancel", drop);

    // Keyboard

    part.querySelector("[data-add]").addEventListener("click", () => {
      const [across, down] = [Math.round(width / 4), Math.round(height / 4)];
      const row = add({ label: tool(), left: Math.round((width - across) / 2), top: Math.round((height - down) / 2), width: across, height: down });
      draw();
      shapeOf(row).focus();
      say(`${words(row)}, added`);
    });

    const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

    shapes.addEventListener("focusin", (event) => {
      const row = rowOf(event.target.closest("[data-shape]"));
      if (row === selected) return;
      selected = row;
      draw();
    });

    shapes.addEventListener("keydown", (event) => {
      const row = rowOf(event.target.closest("[data-shape]"));
      const box = read(row);
      const move = MOVES[event.key];
      if (move) {
        const step = event.ctrlKey ? 1 : 10;
        const [across, down] = move.map((one) => one * step);
        if (event.shiftKey) {
          box.width = within(box.width + across, 1, width - box.left);
          box.height = within(box.height + down, 1, height - box.top);
        } else {
          box.left = within(box.left + across, 0, width - box.width);
          box.top = within(box.top + down, 0, height - box.height);
        }
        write(row, box);
      } else if (event.key === "Delete" || event.key === "Backspace") {
        event.preventDefault();
        remove(row);
        return;
      } else if (/^[1-9]$/.test(event.key) && labels[Number(event.key) - 1]) {
        write(row, { ...box, label: String(Number(event.key) - 1) });
      } else return;
      event.preventDefault();
      draw();
      say(words(row));
    });

    addEventListener("resize", draw);
    part.querySelector("[data-tools]").hidden = false;
    canvas.classList.add("ready");
    all().forEach(ready);
    draw();
  }

  document.querySelectorAll("[data-boxes]").forEach(start);
})();
