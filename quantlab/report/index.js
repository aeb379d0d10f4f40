"use strict";
// Sorts the runs by the column whose head is pressed, and shows those of one strategy; the list is complete without it.
(() => {
  const table = document.querySelector("table.index");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const key = (row, column) => row.cells[column].dataset.key;
  const compare = (a, b) => (Number.isNaN(Number(a)) || Number.isNaN(Number(b)) ? a.localeCompare(b, "en") : Number(a) - Number(b));

  const sort = (column, direction) => {
    const known = rows.filter((row) => key(row, column) !== undefined);
    known.sort((a, b) => direction * compare(key(a, column), key(b, column)));
    body.append(...known, ...rows.filter((row) => key(row, column) === undefined)); // what is unknown stays last
    heads.forEach((head, i) => head.setAttribute("aria-sort", i !== column ? "none" : direction > 0 ? "ascending" : "descending"));
  };

  heads.forEach((head, column) => {
    if (!rows.some((row) => key(row, column) !== undefined)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    const first = head.classList.contains("number") || column === 1 ? -1 : 1; // figures and verdicts: the highest first
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sort(column, now === "none" ? first : now === "ascending" ? -1 : 1);
    });
  });

  const choice = document.getElementById("strategy");
  const count = document.getElementById("count");
  const names = [...new Set(rows.map((row) => key(row, 0)))];
  for (const name of names) choice.add(new Option(name, name));
  const filter = () => {
    for (const row of rows) row.hidden = choice.selectedIndex > 0 && key(row, 0) !== choice.value;
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} runs`;
  };
  choice.addEventListener("change", filter);
  document.querySelector(".controls").hidden = names.length < 2;
  filter(); // a browser may remember the choice over a reload
})();
