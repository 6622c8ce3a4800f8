"use strict";
// The listing, kept true while files come.
//
// Its own script makes rows what they are, so it is run again for new ones: the policy permits it by
// its hash, wherever it comes from. `isBusy` says whether more files are coming.
function listingRefresher(script, isBusy) {
  const rows = () => document.getElementById("rows");
  let isStale = false;
  let isRefreshing = false;
  let listeners = new AbortController();

  async function refreshSoon() {
    isStale = true;
    if (isRefreshing || !rows()) return;
    isRefreshing = true;
    for (let cost = 0; isStale;) {
      // A long listing is asked for less often.
      const pause = Math.max(isBusy() ? 1000 : 0, 10 * cost);
      await new Promise((done) => setTimeout(done, pause));
      isStale = false;
      const began = performance.now();
      await refresh();
      cost = performance.now() - began;
    }
    isRefreshing = false;
  }

  async function refresh() {
    try {
      const headers = { Accept: "text/html" };
      // All of what is sorted as it is here: the page filters by itself.
      const url = new URL(location);
      for (const name of ["q", "sent"]) url.searchParams.delete(name);
      const response = await fetch(url, { headers, cache: "no-cache" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (page.getElementById("rows")) replaceRows(page);
    } catch {
      // The next one may succeed.
    }
  }

  function replaceRows(page) {
    const summary = document.getElementById("summary");
    const table = rows().closest("table");
    const filter = document.getElementById("filter");
    const focused = document.activeElement;
    const heads = [...table.querySelectorAll("th")];

    const fresh = document.adoptNode(page.querySelector("table"));
    table.replaceWith(fresh);
    summary.replaceChildren(...document.adoptNode(page.getElementById("summary")).childNodes);
    // The first file makes a filter of use.
    const freshFilter = page.getElementById("filter");
    if (!filter && freshFilter) summary.after(document.adoptNode(freshFilter));
    runAgain(script);

    if (table.contains(focused)) {
      const href = focused.getAttribute("href");
      const same = href ? [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === href)
        : fresh.querySelectorAll("th button")[heads.findIndex((old) => old.contains(focused))];
      same?.focus({ preventScroll: true });
    }
  }

  // What it hangs on the document is taken away with the rows that it knows.
  function runAgain(script) {
    listeners.abort();
    listeners = new AbortController();
    const { signal } = listeners;
    document.addEventListener = (type, listener) =>
      EventTarget.prototype.addEventListener.call(document, type, listener, { signal });
    const again = Object.assign(document.createElement("script"), { textContent: script.textContent });
    document.body.append(again);
    again.remove();
    delete document.addEventListener;
  }

  return refreshSoon;
}
