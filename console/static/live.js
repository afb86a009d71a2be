// Keeps parts of a page up to date: each element with data-live and an id is fetched again every few seconds (data-pause
// of the body) while the page is visible, and replaced if the server's HTML of it has changed. Focus, scroll position and open <details> stay.
// An element that somebody is typing in waits. After a replacement, the new element gets the event "live".
"use strict";
(() => {
  const PAUSE = 1000 * Number(document.body.dataset.pause || 2);
  const seen = new Map();
  const status = document.getElementById("live-status");
  const url = new URL(location.href);
  if (url.searchParams.has("message")) {
    // The message is shown once. Loading the page again should not look for it.
    url.searchParams.delete("message");
    history.replaceState(null, "", url);
  }
  const live = () => document.querySelectorAll("[data-live][id]");
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");
  const isTyping = (part) => {
    const at = document.activeElement;
    return part.contains(at) && at.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");
  };

  function replace(part, next) {
    const focused = part.contains(document.activeElement) && document.activeElement.id;
    const open = [...part.querySelectorAll("details[id]")].map((one) => [one.id, one.open]);
    const scrolled = [...part.querySelectorAll(".scroll[id]")].map((one) => [one.id, one.scrollLeft, one.scrollTop]);
    const now = document.importNode(next, true);
    part.replaceWith(now);
    for (const [id, isOpen] of open) {
      const one = document.getElementById(id);
      if (one) one.open = isOpen;
    }
    for (const [id, left, top] of scrolled) {
      const one = document.getElementById(id);
      if (one) [one.scrollLeft, one.scrollTop] = [left, top];
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    now.dispatchEvent(new CustomEvent("live", { bubbles: true }));
  }

  async function look() {
    if (!live().length) return false;
    if (document.hidden) return true;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
      const page = parse(await response.text());
      if (!response.ok) throw new Error(page.querySelector("main p")?.textContent || `status ${response.status}`);
      for (const part of live()) {
        const next = page.getElementById(part.id);
        // A final part has no data-live any more; one that is gone stays as it was last.
        if (!next) {
          part.removeAttribute("data-live");
        } else if (seen.get(part.id) !== next.outerHTML && !isTyping(part)) {
          seen.set(part.id, next.outerHTML);
          if (part.outerHTML !== next.outerHTML) replace(part, next);
        }
      }
      status.textContent = "";
    } catch (error) {
      status.textContent = `This page is not updated at the moment: ${error.message}`;
    }
    return true;
  }

  async function keepLooking() {
    if (await look()) setTimeout(keepLooking, PAUSE);
  }
  setTimeout(keepLooking, PAUSE);
  document.addEventListener("visibilitychange", () => document.hidden || look());
})();
