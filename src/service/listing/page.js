"use strict";
// Sorting and filtering what is on the page already. Without this script nothing is missing:
// the server sorts, and the browser finds.
(() => {
  const body = document.getElementById("rows");
  const filter = document.getElementById("filter");
  const summary = document.getElementById("summary");
  const heads = [...document.querySelectorAll("th")];
  const rows = [...body.rows];
  const names = rows.map((row) => row.querySelector("bdi").textContent);
  const told = summary.textContent;
  const collator = new Intl.Collator(undefined, { numeric: true });

  const isDirectory = (row) => row.cells[0].className === "d";
  const size = (row) => Number(row.cells[1].firstChild?.value ?? -1);
  // Numbers, since a string before the year 0 or after 9999 would not sort.
  const time = (row) => Date.parse(row.cells[2].firstChild?.dateTime) || 0;
  const keys = [(row, index) => names[index], (row) => size(row), (row) => time(row)];

  function sort(column, descending) {
    const keyed = rows.map((row, index) => ({ row, name: names[index], key: keys[column](row, index) }));
    const sign = descending ? -1 : 1;
    keyed.sort((a, b) =>
      isDirectory(b.row) - isDirectory(a.row) ||
      sign * (column ? a.key - b.key : collator.compare(a.key, b.key)) ||
      collator.compare(a.name, b.name));
    // One fragment: append(...rows) takes only some ten thousand arguments.
    const fragment = document.createDocumentFragment();
    for (const { row } of keyed) fragment.append(row);
    body.append(fragment);
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    // Sizes and times are asked for to find the biggest and the latest.
    button.onclick = () => {
      const was = head.getAttribute("aria-sort");
      sort(column, was ? was === "ascending" : column > 0);
    };
  });

  filter.hidden = rows.length < 2;
  filter.oninput = () => {
    const wanted = filter.value.toLocaleLowerCase();
    let shown = 0;
    rows.forEach((row, index) => {
      const match = names[index].toLocaleLowerCase().includes(wanted);
      row.hidden = !match;
      shown += match;
    });
    summary.textContent = wanted ? `${shown} of ${rows.length}` : told;
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== filter && !filter.hidden) {
      event.preventDefault();
      filter.focus();
    }
  });
  // The same moment in the reader's own time zone, when it is pointed at.
  body.addEventListener("pointerover", (event) => {
    const moment = event.target.closest("time");
    if (moment && !moment.title) moment.title = new Date(moment.dateTime).toLocaleString();
  });
})();
