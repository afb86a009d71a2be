// Shows on the document which pair of a form the focus is in, or the mouse is on.
"use strict";
(() => {
  const rows = document.querySelectorAll("[data-pair-row]");
  for (const row of rows) {
    const shape = document.querySelector(`[data-pair="${CSS.escape(row.dataset.pairRow)}"]`);
    if (!shape) continue;
    const show = (isOn) => shape.classList.toggle("on", isOn);
    row.addEventListener("focusin", () => show(true));
    row.addEventListener("focusout", () => show(false));
    row.addEventListener("mouseenter", () => show(true));
    row.addEventListener("mouseleave", () => show(row.contains(document.activeElement)));
    shape.addEventListener("click", () => row.querySelector("input")?.focus());
  }
})();
