// The network's pages: time slider, hover, zoom, countdown. Pages work without.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const box = document.getElementById("netmap");
  const form = document.getElementById("netform");
  if (box && form) map(box, form);

  function map(box, form) {
    const at = form.elements.namedItem("at");
    const span = form.elements.namedItem("span");
    const play = document.getElementById("netplay");
    const present = Number(at.max);
    let asked = 0;
    let view = null; // of the picture, while it is enlarged
    let playing = 0;

    const address = () => {
      const q = new URLSearchParams(new FormData(form));
      if (Number(at.value) === present) q.delete("at");
      for (const [name, value] of [...q]) if (value === "") q.delete(name);
      return q.toString();
    };

    async function load(push) {
      const mine = ++asked;
      const q = address();
      if (push) box.classList.add("loading");
      try {
        const answer = await fetch(box.dataset.map + (q ? "?" + q : ""), { headers: { Accept: "text/html" }, cache: "no-store" });
        if (answer.status === 401) return location.reload();
        if (!answer.ok || mine !== asked) return;
        const text = await answer.text();
        if (mine !== asked || text === box.dataset.last) return;
        const scroll = box.querySelector(".netscroll");
        const left = scroll ? scroll.scrollLeft : 0;
        box.innerHTML = text;
        const now = box.querySelector(".netscroll");
        if (now) now.scrollLeft = left;
        apply();
        at.setAttribute("aria-valuetext", box.querySelector("#netspan")?.textContent.trim() || "");
        if (push) history.replaceState(null, "", "/network" + (q ? "?" + q : ""));
      } catch {
        document.body.classList.add("offline"); // the server is away; the next try may find it
      } finally {
        if (mine === asked) box.classList.remove("loading");
      }
    }

    let wait = 0;
    at.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => load(true), 150); });
    span.addEventListener("change", () => load(true));

    // Fresh while the present is shown and nobody reads something marked.
    setInterval(() => {
      if (!document.hidden && !playing && Number(at.value) === present && getSelection().isCollapsed && !box.matches(":focus-within")) load(false);
    }, 10000);

    play.addEventListener("click", () => {
      if (playing) return stop();
      if (Number(at.value) >= present) at.value = at.min;
      play.textContent = play.dataset.stop;
      play.setAttribute("aria-pressed", "true");
      playing = setInterval(() => {
        if (box.classList.contains("loading")) return;
        const step = span.value === "hour" ? 1 : 24;
        at.value = Math.min(present, Number(at.value) + step);
        load(true);
        if (Number(at.value) >= present) stop();
      }, 900);
    });
    function stop() {
      clearInterval(playing);
      playing = 0;
      play.textContent = play.dataset.play;
      play.setAttribute("aria-pressed", "false");
    }

    // Whoever points at a zone or a device sees its edges only.
    function pick(e) {
      const svg = box.querySelector(".netmap");
      if (!svg) return;
      const el = e.target instanceof Element ? e.target.closest("[data-zone], [data-dev]") : null;
      for (const p of svg.querySelectorAll(".picked")) p.classList.remove("picked");
      svg.classList.toggle("picking", !!el);
      if (!el) return;
      const zone = el.dataset.zone, dev = el.dataset.dev;
      for (const p of svg.querySelectorAll(".flow")) {
        if (zone ? p.dataset.from === zone || p.dataset.to === zone : p.dataset.device === dev) p.classList.add("picked");
      }
    }
    box.addEventListener("pointerover", pick);
    box.addEventListener("focusin", pick);
    box.addEventListener("pointerleave", pick);

    // Zoom: by the buttons, or the wheel with Ctrl; dragging moves.
    const whole = (svg) => svg.dataset.whole || (svg.dataset.whole = svg.getAttribute("viewBox"));
    function apply() {
      const svg = box.querySelector(".netmap");
      if (svg) { whole(svg); if (view) svg.setAttribute("viewBox", view.map((n) => n.toFixed(1)).join(" ")); }
    }
    function zoom(factor, fx = 0.5, fy = 0.5) {
      const svg = box.querySelector(".netmap");
      if (!svg) return;
      const all = whole(svg).split(" ").map(Number);
      const [x, y, w, h] = view || all;
      const nw = Math.min(all[2], Math.max(all[2] / 8, w * factor)), nh = nw * all[3] / all[2];
      view = nw >= all[2] ? null : [x + (w - nw) * fx, y + (h - nh) * fy, nw, nh];
      svg.setAttribute("viewBox", (view || all).join(" "));
    }
    box.addEventListener("click", (e) => {
      const b = e.target instanceof Element ? e.target.closest("[data-zoom]") : null;
      if (!b) return;
      if (b.dataset.zoom === "fit") zoom(100);
      else zoom(b.dataset.zoom === "in" ? 0.7 : 1.4);
    });
    box.addEventListener("wheel", (e) => {
      const svg = e.target instanceof Element ? e.target.closest(".netmap") : null;
      if (!svg || !e.ctrlKey) return;
      e.preventDefault();
      const r = svg.getBoundingClientRect();
      zoom(e.deltaY < 0 ? 0.85 : 1.18, (e.clientX - r.left) / r.width, (e.clientY - r.top) / r.height);
    }, { passive: false });
    let drag = null;
    box.addEventListener("pointerdown", (e) => {
      const svg = e.target instanceof Element ? e.target.closest(".netmap") : null;
      if (svg && view && !e.target.closest("a")) drag = { x: e.clientX, y: e.clientY, view: [...view], svg };
    });
    addEventListener("pointermove", (e) => {
      if (!drag) return;
      const k = drag.view[2] / drag.svg.getBoundingClientRect().width;
      view = [drag.view[0] - (e.clientX - drag.x) * k, drag.view[1] - (e.clientY - drag.y) * k, drag.view[2], drag.view[3]];
      drag.svg.setAttribute("viewBox", view.join(" "));
    });
    addEventListener("pointerup", () => { drag = null; });
    apply();
  }

  // All boxes of a page at once.
  document.addEventListener("change", (e) => {
    const all = e.target instanceof Element ? e.target.closest("[data-all]") : null;
    if (all) for (const b of document.querySelectorAll(`input[type="checkbox"][name="${CSS.escape(all.dataset.all)}"]`)) b.checked = all.checked;
  });

  // A file read into the field of the policy.
  const area = document.querySelector("textarea[data-file]");
  const file = area && document.getElementById(area.dataset.file);
  if (file) {
    file.addEventListener("change", async () => {
      if (file.files[0]) area.value = await file.files[0].text();
    });
  }

  // The time that is left to confirm runs down between the server's answers.
  const ends = new WeakMap();
  setInterval(() => {
    for (const el of document.querySelectorAll(".countdown[data-left]")) {
      if (!ends.has(el)) ends.set(el, performance.now() + 1000 * Number(el.dataset.left));
      const left = Math.max(0, Math.round((ends.get(el) - performance.now()) / 1000));
      el.textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    }
  }, 250);
})();
