// Cordon's one script. Pages work without it; with it they stay live.
"use strict";
(() => {
  // Live parts: fetched again while the page is looked at, and swapped when
  // they changed, unless somebody is typing in them or has marked a text.
  const busy = (el) =>
    (el.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) ||
    (!getSelection().isCollapsed && el.contains(getSelection().anchorNode));

  const ids = (el) => new Set([...el.querySelectorAll("[data-id]")].map((x) => x.dataset.id));

  // What the reader opened stays open, and the keyboard stays where it was.
  function swap(el, text) {
    const folds = [...el.querySelectorAll("details")].map((d) => d.open);
    const link = el.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    el.innerHTML = text;
    const now = el.querySelectorAll("details");
    if (now.length === folds.length) now.forEach((d, i) => { d.open = folds[i]; });
    const same = link && el.querySelector(`a[href="${CSS.escape(link)}"]`);
    if (same) same.focus({ preventScroll: true });
  }

  async function refresh(el, state) {
    if (document.hidden || busy(el)) return;
    const answer = await fetch(el.dataset.live, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    const text = await answer.text();
    if (text === state.text) return;
    const before = ids(el);
    swap(el, text);
    if (state.text !== undefined) {
      for (const item of el.querySelectorAll("[data-id]")) {
        if (!before.has(item.dataset.id)) item.classList.add("fresh");
      }
    }
    state.text = text;
  }

  for (const el of document.querySelectorAll("[data-live]")) {
    const state = {};
    const every = 1000 * (Number(el.dataset.every) || 5);
    let running = false;
    setInterval(async () => {
      if (running) return;
      running = true;
      try {
        await refresh(el, state);
        document.body.classList.remove("offline");
      } catch {
        document.body.classList.add("offline"); // the server is away; keep trying
      } finally {
        running = false;
      }
    }, every);
  }

  document.addEventListener("click", (e) => {
    const target = e.target instanceof Element ? e.target : null;
    if (!target) return;
    if (target.closest("[data-print]")) window.print();
    const toggle = target.closest("[data-toggle]");
    if (toggle) {
      const open = document.getElementById(toggle.dataset.toggle).classList.toggle("open");
      toggle.setAttribute("aria-expanded", String(open));
    }
    const copy = target.closest("input[data-copy]");
    if (copy) copy.select();
  });

  document.addEventListener("submit", (e) => {
    const text = e.target.dataset.confirm;
    if (text && !window.confirm(text)) e.preventDefault();
  });
})();
