// Marks a field, its shapes and its places in the text together: what has the same number in data-row belongs together.
// A click on a shape or a span goes to its field. Without this script, the numbers are links to the shapes.
"use strict";
(() => {
  const HELD = "[data-row]";
  const rowsOf = (element) => (element.closest?.(HELD)?.dataset.row ?? "").split(" ").filter(Boolean);
  let marked = "";

  function mark(rows) {
    const wanted = rows.join(" ");
    if (wanted === marked) return;
    marked = wanted;
    for (const one of document.querySelectorAll(`.review ${HELD}`)) {
      one.classList.toggle("on", rows.some((row) => one.dataset.row.split(" ").includes(row)));
    }
  }

  for (const event of ["pointerover", "focusin"]) {
    document.addEventListener(event, (at) => {
      if (at.target.closest?.(".review")) mark(rowsOf(at.target));
    });
  }
  document.addEventListener("live", () => { marked = ""; });
  document.addEventListener("click", (at) => {
    const from = at.target.closest?.(".overlay, .text");
    const row = from && rowsOf(at.target)[0];
    const field = row && document.getElementById(`field-${row}`);
    if (!field) return;
    const folded = field.closest("details");
    if (folded) folded.open = true;
    field.scrollIntoView({ block: "nearest" });
    field.querySelector("a")?.focus({ preventScroll: true });
    mark([row]);
  });
  // A link to a shape shows it even if the image is scrolled away.
  document.addEventListener("click", (at) => {
    const link = at.target.closest?.('a[href^="#mark-"]');
    if (!link) return;
    at.preventDefault();
    document.querySelector(link.hash)?.scrollIntoView({ block: "nearest" });
    mark(rowsOf(link));
  });
})();
