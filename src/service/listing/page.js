"use strict";
// Sorting and filtering what is on the page already. Without this script nothing is missing:
// the server sorts, and the browser finds.
(() => {
  const body = document.getElementById("rows");
  const summary = document.getElementById("summary");
  const heads = [...document.querySelectorAll("th")];
  const rows = [...body.rows];
  const names = rows.map((row) => row.querySelector("bdi").textContent);
  const told = summary.textContent;

  const isDirectory = (row) => row.cells[0].className === "d";
  const size = (row) => Number(row.cells[1].firstChild?.value ?? -1);
  // Numbers, since a string before the year 0 or after 9999 would not sort.
  const time = (row) => Date.parse(row.cells[2].firstChild?.dateTime) || 0;
  const ranks = order();
  const keys = [(row, index) => ranks[index], size, time];

  // Where each name stands among all: as the server sorted them, so that there is one order. A
  // directory too big for it is sorted here by the same rule (listing/names.rs).
  function order() {
    const indexes = rows.map((row, index) => index);
    if (heads[0].hasAttribute("aria-sort")) return indexes;
    const number = (digits) => digits.replace(/^0+/, "");
    const keys = names.map((name) => name.toLowerCase().replace(/[0-9]+/g,
      (digits) => "0" + String.fromCharCode(number(digits).length) + number(digits)));
    const compare = (a, b) => (a > b) - (a < b);
    indexes.sort((a, b) => compare(keys[a], keys[b]) || compare(names[a], names[b]));
    const ranks = [];
    indexes.forEach((index, rank) => { ranks[index] = rank; });
    return ranks;
  }

  function sort(column, descending) {
    const keyed = rows.map((row, index) => ({ row, rank: ranks[index], key: keys[column](row, index) }));
    const sign = descending ? -1 : 1;
    keyed.sort((a, b) =>
      isDirectory(b.row) - isDirectory(a.row) || sign * (a.key - b.key) || a.rank - b.rank);
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

  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "Filter";
  filter.autocomplete = "off";
  filter.spellcheck = false;
  filter.setAttribute("aria-label", "Filter by name");
  if (rows.length > 1) summary.after(filter);
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
    if (event.key === "/" && document.activeElement !== filter && filter.isConnected) {
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
