"use strict";
// Sorting and filtering what is on the page already, at the URL that the server would do it for.
//
// Without this script nothing is missing: every heading and the filter are forms that the server
// answers. It is run again for rows that came later (upload_form/refresh.js), so what it hangs on
// the document it hangs there with addEventListener, and on everything else as a property.
(() => {
  const body = document.getElementById("rows");
  const summary = document.getElementById("summary");
  const heads = [...body.closest("table").querySelectorAll("th")];
  const filter = document.getElementById("filter");
  const input = filter?.elements.q;
  const rows = [...body.rows];
  const names = rows.map((row) => row.querySelector("bdi").textContent);
  const told = [...summary.childNodes];

  const isDirectory = (row) => row.cells[0].className === "d";
  const size = (row) => Number(row.cells[1].firstChild?.value ?? -1);
  // Numbers, since a string before the year 0 or after 9999 would not sort.
  const time = (row) => Date.parse(row.cells[2].firstChild?.dateTime) || 0;

  // The page has all that there is, or all that the server's own filter lets through.
  const isAll = !("part" in body.dataset);
  const isMixed = new URLSearchParams(location.search).get("dirs") === "mixed";
  // Where each name stands among all, as the server has sorted them, so that there is one order.
  const byName = heads[0].getAttribute("aria-sort");
  const ranks = rows.map((row, index) => byName === "descending" ? -index : index);
  const keys = [(row, index) => ranks[index], size, time];

  // The page's own URL, with some parameters changed.
  function here(changes) {
    const url = new URL(location);
    for (const name of ["sent", "after", "before"]) url.searchParams.delete(name);
    for (const [name, value] of Object.entries(changes)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    return url;
  }
  const remember = (changes) => history.replaceState(history.state, "", here(changes));

  function sort(column, descending) {
    const keyed = rows.map((row, index) => ({ row, rank: ranks[index], key: keys[column](row, index) }));
    const sign = descending ? -1 : 1;
    const group = (row) => isMixed ? 0 : isDirectory(row);
    keyed.sort((a, b) => group(b.row) - group(a.row) || sign * (a.key - b.key) || a.rank - b.rank);
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
    const button = head.querySelector("button");
    head.firstElementChild.onsubmit = (event) => {
      event.preventDefault();
      const was = head.getAttribute("aria-sort");
      // Sizes and times are asked for to find the biggest and the latest.
      const descending = was ? was === "ascending" : column > 0;
      const changes = { sort: column && button.value, order: descending && "desc" };
      if (!isAll || !byName) return location.assign(here(changes));
      sort(column, descending);
      remember(changes);
    };
  });
  for (const form of document.querySelectorAll(".choice")) {
    form.onsubmit = (event) => {
      event.preventDefault();
      const { name, value } = form.querySelector("button");
      location.assign(here({ [form.dataset.name]: name && value }));
    };
  }

  // As the server folds names (listing/filter.rs).
  const fold = (text) => text.trim().normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/ς/g, "σ");
  const folded = names.map(fold);
  const served = fold(body.dataset.q);
  // What the server has left out cannot be shown.
  const isLive = () => isAll && fold(input.value).includes(served);

  function show() {
    const wanted = fold(input.value);
    let shown = 0;
    rows.forEach((row, index) => {
      const match = folded[index].includes(wanted);
      row.hidden = !match;
      shown += match;
    });
    if (wanted === served) return summary.replaceChildren(...told);
    const quoted = `“${input.value.trim()}”`;
    if (shown) return summary.replaceChildren(`${shown} of ${rows.length} match ${quoted}`);
    const all = Object.assign(document.createElement("a"), { href: here({ q: "" }), textContent: "Show all" });
    summary.replaceChildren(`Nothing matches ${quoted}. `, all);
  }

  if (filter) {
    if (!matchMedia("(pointer: coarse)").matches) input.placeholder = "Filter (press /)";
    input.setAttribute("aria-keyshortcuts", "/");
    filter.querySelector("button").hidden = isLive();
    input.oninput = () => {
      const live = isLive();
      filter.querySelector("button").hidden = live;
      if (live) {
        show();
        remember({ q: input.value.trim() });
      } else if (!input.value) {
        location.assign(here({ q: "" }));
      }
    };
    filter.onsubmit = (event) => {
      event.preventDefault();
      const matches = rows.filter((row) => !row.hidden);
      if (!isLive()) location.assign(here({ q: input.value.trim() }));
      else if (matches.length === 1 && input.value.trim()) matches[0].querySelector("a").click();
    };
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.focus();
      input.select();
    });
    // Back in history, a browser may have kept what was typed later.
    if (isLive() && fold(input.value) !== served) show();
  }

  // Times as the reader's clock shows them; where there is no room for that, how long ago.
  const narrow = matchMedia("(max-width: 40rem)");
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
  const two = (number) => String(number).padStart(2, "0");
  function ago(moment) {
    const seconds = (moment - Date.now()) / 1000;
    const units = [["year", 31556952], ["month", 2629746], ["day", 86400], ["hour", 3600], ["minute", 60]];
    const [unit, length] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
    return relative.format(Math.round(seconds / length), unit);
  }
  function showTimes() {
    for (const element of body.querySelectorAll("time")) {
      const moment = new Date(element.dateTime);
      if (isNaN(moment)) continue;
      if (narrow.matches) {
        element.textContent = ago(moment);
        continue;
      }
      const day = `${String(moment.getFullYear()).padStart(4, "0")}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
      const hour = document.createElement("span");
      hour.textContent = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
      element.replaceChildren(`${day} `, hour);
    }
  }
  heads[2].querySelector("span")?.remove();
  showTimes();
  narrow.onchange = showTimes;
  // All of it, with seconds, when it is pointed at.
  body.onpointerover = (event) => {
    const moment = event.target.closest("time");
    if (moment && !moment.title) moment.title = new Date(moment.dateTime).toLocaleString();
  };
})();
