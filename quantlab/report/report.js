"use strict";
// Draws the figures from the JSON in the page, and again when the reader changes the theme or prints.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const plots = read("plots");
  const themes = read("themes");
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (prefersDark.matches ? "dark" : "light");

  const draw = (name) => {
    for (const [id, plot] of Object.entries(plots)) {
      const layout = { ...structuredClone(plot.layout), template: themes[name] };
      Plotly.react(`figure-${id}`, structuredClone(plot.data), layout, { displayModeBar: false, responsive: true });
    }
  };

  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    draw(theme());
  });
  prefersDark.addEventListener("change", () => draw(theme()));
  addEventListener("beforeprint", () => draw("light"));
  addEventListener("afterprint", () => draw(theme()));
  draw(theme());
})();
