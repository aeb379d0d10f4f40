"use strict";
// Draws the plots from the JSON in the page as they come near, again when the theme changes and for paper; explains terms; keeps
// the contents in step with the reader. Without it the page has all its numbers, in tables.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const plots = read("plots");
  const themes = read("themes");
  const root = document.documentElement;

  const AHEAD = 800; // pixels below the window: plots that far away are drawn already
  const PAPER = 680; // pixels: an A4 page less its margins
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (prefersDark.matches ? "dark" : "light");
  const place = (id) => document.getElementById(`figure-${id}`);
  const drawn = new Set();

  const recolour = (part, swap) => {
    for (const [key, value] of Object.entries(part)) {
      if (/^(fill)?color$/.test(key)) part[key] = (swap.get(value.slice(0, 7)) ?? value.slice(0, 7)) + value.slice(7); // its opacity stays
      else if (value && typeof value === "object" && !Array.isArray(value)) recolour(value, swap);
    }
    return part;
  };

  const draw = (id, name, width) => {
    const to = themes[name].layout.colorway;
    const swap = new Map(themes.light.layout.colorway.map((colour, i) => [colour, to[i]]));
    const data = plots[id].data.map((trace) => recolour(structuredClone(trace), swap));
    const layout = { ...structuredClone(plots[id].layout), template: themes[name], ...(width && { width }) };
    Plotly.react(place(id), data, layout, { displayModeBar: false, responsive: !width });
    drawn.add(id);
  };

  const near = new IntersectionObserver(
    (seen) => {
      for (const { isIntersecting, target } of seen) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        draw(target.id.slice("figure-".length), theme());
      }
    },
    { rootMargin: `${AHEAD}px` },
  );
  for (const [id, plot] of Object.entries(plots)) place(id).style.minHeight = `${plot.layout.height}px`; // so that nothing moves later
  for (const id of Object.keys(plots)) {
    if (place(id).getBoundingClientRect().top < innerHeight + AHEAD) draw(id, theme());
    else near.observe(place(id));
  }

  const button = document.getElementById("theme");
  const relabel = () => {
    button.textContent = theme() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()} colours`);
  };
  const redraw = () => {
    relabel();
    for (const id of drawn) draw(id, theme());
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    redraw();
  });
  prefersDark.addEventListener("change", redraw);
  relabel();

  let unfolded = []; // tables of their own are printed; the numbers behind a plot only if the reader has opened them
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll(".blocks > .data:not([open])")];
    for (const part of unfolded) part.open = true;
    for (const id of Object.keys(plots)) draw(id, "light", place(id).closest(".half") ? PAPER / 2 - 14 : PAPER);
  });
  addEventListener("afterprint", () => {
    for (const part of unfolded) part.open = false;
    redraw();
  });

  const contents = document.getElementById("contents");
  const wide = matchMedia("(min-width: 75rem)");
  const fold = () => { contents.open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();

  const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
  const inView = new Set();
  const follow = new IntersectionObserver(
    (seen) => {
      for (const { isIntersecting, target } of seen) inView[isIntersecting ? "add" : "delete"](target.id);
      const here = [...links.keys()].find((id) => inView.has(id));
      if (!here) return;
      for (const [id, link] of links) id === here ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    },
    { rootMargin: "-15% 0px -70% 0px" },
  );
  for (const id of links.keys()) follow.observe(document.getElementById(id));
  contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });

  const tip = document.getElementById("tip");
  let term = null;
  let leaving = 0;

  const hide = () => {
    clearTimeout(leaving);
    if (term) tip.hidePopover();
    term = null;
  };
  const settle = () => {
    const at = term.getBoundingClientRect();
    const room = root.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(at.left, room))}px`;
    const below = at.bottom + 6;
    tip.style.top = `${below + tip.offsetHeight < innerHeight ? below : Math.max(8, at.top - tip.offsetHeight - 6)}px`;
  };
  const show = (target) => {
    clearTimeout(leaving);
    if (term === target) return;
    hide();
    term = target;
    tip.textContent = document.getElementById(target.getAttribute("aria-describedby")).textContent;
    tip.showPopover();
    settle();
  };
  const leave = () => { leaving = setTimeout(hide, 150); }; // long enough to reach the tip itself

  if (tip.showPopover) {
    for (const target of document.querySelectorAll(".term")) {
      target.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") show(target); });
      target.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") leave(); });
      target.addEventListener("focus", () => { if (target.matches(":focus-visible")) show(target); });
      target.addEventListener("blur", hide);
      target.addEventListener("click", () => {
        target.focus(); // a tap does not give it everywhere
        show(target);
      });
    }
    tip.addEventListener("pointerenter", () => clearTimeout(leaving));
    tip.addEventListener("pointerleave", leave);
    addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
    addEventListener("scroll", () => term && (term === document.activeElement ? settle() : hide()), { passive: true, capture: true });
    addEventListener("pointerdown", (event) => { if (!event.target.closest?.(".term, #tip")) hide(); });
  }

  // a table is a stop for the Tab key only where there is something to scroll
  const stops = () => {
    for (const part of document.querySelectorAll(".scroll")) part.scrollWidth > part.clientWidth ? (part.tabIndex = 0) : part.removeAttribute("tabindex");
  };
  addEventListener("resize", stops);
  document.addEventListener("toggle", stops, true);
  stops();
})();
