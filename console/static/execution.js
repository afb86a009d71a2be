// The graph of an execution: larger, smaller, or as wide as its place. And where the reader was, when another step is
// chosen: in the graph, and on a wide page, which has the step beside the graph or the table. Without this script the
// graph has its own size, and links lead to the step.
"use strict";
(() => {
  const KEY = `graph ${location.pathname}`;
  const MIN = 0.15;
  const MAX = 2;
  const READABLE = 0.8;
  let kept = {};
  try {
    kept = JSON.parse(sessionStorage.getItem(KEY)) || {};
  } catch {
    // Somebody else wrote it, or the browser keeps nothing.
  }
  const keep = () => {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // Then it is forgotten with the page.
    }
  };

  function resize(svg, scale) {
    svg.setAttribute("width", svg.viewBox.baseVal.width * scale);
    svg.setAttribute("height", svg.viewBox.baseVal.height * scale);
  }

  function fitting(region, svg) {
    return Math.min(1, (region.clientWidth - 2) / svg.viewBox.baseVal.width);
  }

  function show(scale) {
    const region = document.getElementById("graph");
    const svg = region?.querySelector("svg");
    if (!svg) return;
    const middle = (region.scrollTop + region.clientHeight / 2) / svg.getBoundingClientRect().height;
    kept.scale = Math.min(Math.max(scale, MIN), MAX);
    resize(svg, kept.scale);
    region.scrollTop = middle * svg.getBoundingClientRect().height - region.clientHeight / 2;
    keep();
  }

  function prepare() {
    const region = document.getElementById("graph");
    const svg = region?.querySelector("svg");
    if (!svg) return null;
    document.querySelector(".zoom").hidden = false;
    // At first smaller, to show more, but not too small to be read.
    resize(svg, kept.scale ?? Math.max(fitting(region, svg), READABLE));
    region.addEventListener("scroll", () => {
      kept.at = [region.scrollLeft, region.scrollTop];
      keep();
    });
    return region;
  }

  document.addEventListener("click", (event) => {
    const zoom = event.target.closest("[data-zoom]")?.dataset.zoom;
    if (!zoom) return;
    const region = document.getElementById("graph");
    const svg = region.querySelector("svg");
    const now = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    show({ in: now * 1.25, out: now / 1.25, fit: fitting(region, svg) }[zoom]);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("#shown a[href]");
    const plain = !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || !matchMedia("(min-width: 861px)").matches) return;
    const to = new URL(link.href.baseVal ?? link.href, location.href);
    if (to.pathname !== location.pathname || to.hash !== "#step") return;
    event.preventDefault();
    to.hash = "";
    kept.page = scrollY;
    keep();
    location.assign(to);
  });

  if (kept.page !== undefined) {
    scrollTo(0, kept.page);
    delete kept.page;
    keep();
  }
  const region = prepare();
  if (region) {
    if (kept.at) [region.scrollLeft, region.scrollTop] = kept.at;
    const chosen = region.querySelector("[aria-current]");
    if (chosen) {
      const [own, around] = [chosen.getBoundingClientRect(), region.getBoundingClientRect()];
      const isOutside = own.top < around.top || own.bottom > around.bottom || own.left < around.left || own.right > around.right;
      if (!kept.at || isOutside) {
        region.scrollTop += own.top + own.height / 2 - around.top - around.height / 2;
        region.scrollLeft += own.left + own.width / 2 - around.left - around.width / 2;
      }
    } else if (!kept.at) {
      region.scrollLeft = (region.scrollWidth - region.clientWidth) / 2;
    }
  }
  document.addEventListener("live", prepare);
})();
