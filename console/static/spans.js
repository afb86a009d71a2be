// Spans of a text, marked with the mouse or the keyboard. The rows of fields hold the spans, in characters of the text:
// what is marked is written there, what is entered there is marked, and the form submits them. So without this script,
// spans can be entered as numbers.
//
// Each part of the text knows where it is. Offsets count Unicode characters, so a part is cut by them, not by the halves
// that a script sees. A part that shows an escape for what cannot be seen is not cut.
"use strict";
(() => {
  function start(part) {
    const text = part.querySelector("[data-text]");
    const rows = part.querySelector("[data-rows]");
    const status = part.querySelector("[data-status]");
    const template = part.querySelector("[data-template]").innerHTML;
    const labels = [...part.querySelectorAll("[data-label]")];
    const whole = [...text.children].map((one) => ({
      start: Number(one.dataset.start), end: Number(one.dataset.end), shown: [...one.textContent], word: one.hasAttribute("data-word"),
    }));
    const length = whole.length ? whole[whole.length - 1].end : 0;
    let next = Math.max(-1, ...[...rows.querySelectorAll("[data-row]")].map((row) => Number(row.dataset.row))) + 1;
    let selection = null; // from and to, in characters
    let anchor = null; // where a selection with the keyboard began
    let cursor = null; // the start of the word that keys are for

    const all = () => [...rows.querySelectorAll("[data-row]")];
    const field = (row, side) => row.querySelector(`[data-side=${side}]`);
    const nameOf = (label) => labels[Number(label)]?.firstChild.textContent.trim() ?? "";
    const say = (said) => { status.textContent = said; };
    const quote = (from, to) => whole.filter((one) => one.start < to && one.end > from).map((one) => (
      one.shown.length === one.end - one.start ? one.shown.slice(Math.max(from - one.start, 0), to - one.start) : one.shown
    ).join("")).join("");

    function read(row) {
      const [label, from, to] = ["label", "start", "end"].map((side) => field(row, side).value.trim());
      if (label === "" || !/^\d+$/.test(from) || !/^\d+$/.test(to)) return null;
      const span = { row, label, from: Number(from), to: Number(to) };
      return span.from < span.to && span.to <= length ? span : null;
    }

    const spans = () => all().map(read).filter(Boolean);

    function write(row, label, from, to) {
      field(row, "label").value = label;
      field(row, "start").value = from;
      field(row, "end").value = to;
      row.classList.remove("wrong");
      row.querySelector(".invalid")?.remove();
      row.querySelectorAll("[aria-invalid]").forEach((one) => one.removeAttribute("aria-invalid"));
    }

    function draw() {
      const found = spans();
      const cuts = new Set(found.flatMap((span) => [span.from, span.to]));
      const pieces = whole.flatMap((one) => {
        const inside = one.shown.length === one.end - one.start ? [...cuts].filter((cut) => one.start < cut && cut < one.end) : [];
        const ends = [one.start, ...inside.sort((a, b) => a - b), one.end];
        return ends.slice(1).map((end, index) => ({
          start: ends[index], end, word: one.word,
          shown: inside.length ? one.shown.slice(ends[index] - one.start, end - one.start) : one.shown,
        }));
      });
      const words = pieces.filter((one) => one.word);
      if (!words.some((one) => one.start === cursor)) cursor = words[0]?.start ?? null;
      text.replaceChildren(...pieces.map((one) => {
        const element = document.createElement("span");
        const span = found.find((other) => other.from < one.end && one.start < other.to);
        element.textContent = one.shown.join("");
        element.dataset.start = one.start;
        element.dataset.end = one.end;
        const isSelected = selection !== null && selection.from < one.end && one.start < selection.to;
        if (one.word) {
          element.setAttribute("role", "option");
          element.setAttribute("aria-selected", String(isSelected));
          // The words cannot have the focus themselves: browsers select no text that begins in such a word.
          element.id = `${part.dataset.spans}word-${one.start}`;
          element.classList.toggle("cursor", one.start === cursor);
          if (span) element.setAttribute("aria-label", `${element.textContent}, ${nameOf(span.label)}`);
        }
        if (isSelected) element.classList.add("chosen");
        if (span) {
          element.classList.add("mark", `tone-${Number(span.label) % 6}`);
          if (one.start <= span.from) element.dataset.tag = nameOf(span.label);
        }
        return element;
      }));
      all().forEach((row, index) => {
        const span = found.find((one) => one.row === row);
        row.querySelector("legend").textContent = `Span ${index + 1}`;
        row.querySelector("[data-quote]").textContent = span ? quote(span.from, span.to) : "";
      });
      const active = text.querySelector(".cursor");
      if (active) text.setAttribute("aria-activedescendant", active.id);
      else text.removeAttribute("aria-activedescendant");
    }

    function mark(label) {
      if (!selection) {
        say("Select a part of the text first.");
        return;
      }
      const { from, to } = selection;
      const shared = spans().filter((span) => span.from < to && from < span.to);
      const same = shared.find((span) => span.from === from && span.to === to);
      if (same) write(same.row, label, from, to);
      else if (shared.length) {
        say(`This shares a part with “${quote(shared[0].from, shared[0].to)}”, ${nameOf(shared[0].label)}: remove that first.`);
        return;
      } else {
        const holder = document.createElement("div");
        holder.innerHTML = template.replaceAll("INDEX", next).replaceAll("NUMBER", all().length + 1);
        const row = holder.querySelector("[data-row]");
        next += 1;
        rows.append(row);
        ready(row);
        write(row, label, from, to);
      }
      selection = anchor = null;
      getSelection().removeAllRanges();
      draw();
      say(`“${quote(from, to)}” is marked as ${nameOf(label)}.`);
    }

    function remove(row) {
      const span = read(row);
      const [others, inRows] = [all(), row.contains(document.activeElement)];
      const near = others[others.indexOf(row) + 1] ?? others[others.indexOf(row) - 1];
      row.remove();
      draw();
      say(span ? `“${quote(span.from, span.to)}” is no longer marked.` : "The span is removed.");
      if (inRows) (near ? field(near, "label") : text).focus();
    }

    function ready(row) {
      const button = row.querySelector("[data-remove]");
      button.hidden = false;
      button.addEventListener("click", () => remove(row));
      row.addEventListener("input", draw);
    }

    // Mouse

    // Where the end of a browser's selection is, in characters. It can be outside of the text.
    function offset(node, within) {
      if (!text.contains(node)) return text.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING ? 0 : length;
      if (node === text) return Number(text.children[within]?.dataset.start ?? length);
      const piece = (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).closest("[data-start]");
      const [from, to] = [Number(piece.dataset.start), Number(piece.dataset.end)];
      if (node.nodeType !== Node.TEXT_NODE) return within ? to : from;
      const before = [...node.data.slice(0, within)].length;
      if ([...node.data].length === to - from) return from + before;
      return before ? to : from;
    }

    document.addEventListener("selectionchange", () => {
      const chosen = getSelection();
      if (chosen.isCollapsed || !chosen.rangeCount) return;
      const range = chosen.getRangeAt(0);
      if (!text.contains(chosen.anchorNode)) return;
      const [from, to] = [offset(range.startContainer, range.startOffset), offset(range.endContainer, range.endOffset)];
      if (from < to) selection = { from, to };
    });
    text.addEventListener("pointerup", (event) => {
      const word = event.target.closest("[role=option]");
      if (word) cursor = Number(word.dataset.start);
      if (getSelection().isCollapsed) {
        selection = anchor = null;
        draw();
      } else if (selection) say(`“${quote(selection.from, selection.to)}” is selected. Choose a label.`);
    });
    // Otherwise, the button would take the focus, and the selection could be gone.
    labels.forEach((button) => button.addEventListener("mousedown", (event) => event.preventDefault()));
    labels.forEach((button) => button.addEventListener("click", () => mark(button.dataset.label)));

    // Keyboard

    text.addEventListener("keydown", (event) => {
      const words = [...text.querySelectorAll("[role=option]")];
      const here = words.findIndex((one) => Number(one.dataset.start) === cursor);
      const to = { ArrowLeft: here - 1, ArrowRight: here + 1, ArrowUp: here - 8, ArrowDown: here + 8, Home: 0, End: words.length - 1 }[event.key];
      if (to !== undefined) {
        const word = words[Math.min(Math.max(to, 0), words.length - 1)];
        const before = words[here];
        cursor = Number(word.dataset.start);
        if (event.shiftKey) {
          anchor ??= { from: Number(before.dataset.start), to: Number(before.dataset.end) };
          const ends = { from: cursor, to: Number(word.dataset.end) };
          selection = { from: Math.min(anchor.from, ends.from), to: Math.max(anchor.to, ends.to) };
        } else selection = anchor = null;
        draw();
        text.querySelector(".cursor").scrollIntoView({ block: "nearest" });
        if (selection) say(`“${quote(selection.from, selection.to)}” is selected. Press the number of a label.`);
      } else if (/^[1-9]$/.test(event.key) && labels[Number(event.key) - 1]) {
        const word = words[here];
        selection ??= { from: Number(word.dataset.start), to: Number(word.dataset.end) };
        mark(labels[Number(event.key) - 1].dataset.label);
      } else if (event.key === "Delete" || event.key === "Backspace") {
        const span = spans().find((one) => one.from <= cursor && cursor < one.to);
        if (span) remove(span.row);
      } else if (event.key === "Escape") {
        selection = anchor = null;
        draw();
      } else return;
      event.preventDefault();
    });

    part.querySelector("[data-tools]").hidden = false;
    text.tabIndex = 0;
    text.setAttribute("role", "listbox");
    text.setAttribute("aria-multiselectable", "true");
    text.setAttribute("aria-label", "The text, word by word");
    all().forEach(ready);
    draw();
  }

  document.querySelectorAll("[data-spans]").forEach(start);
})();
