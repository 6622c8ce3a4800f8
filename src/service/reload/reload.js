// Part of every page under --watch: has it fetched again when a file beneath the root has changed.
(() => {
  const script = document.currentScript;
  const stream = script.src.replace(/\.js$/, "");
  let since = script.dataset.since;
  let source = null;

  // Each style sheet is replaced once its successor is there, so that nothing flickers.
  function swapStyles() {
    const links = [...document.querySelectorAll('link[rel~="stylesheet" i][href]')].filter(
      (link) => new URL(link.href).origin === location.origin && !link.httpollReplaced,
    );
    for (const link of links) {
      const url = new URL(link.href);
      url.searchParams.set("httpoll-since", since);
      const next = link.cloneNode();
      next.href = url;
      next.onload = next.onerror = () => link.remove();
      link.httpollReplaced = true;
      link.after(next);
    }
    // It may be imported by other means.
    if (links.length === 0) location.reload();
  }

  // A browser has six connections for a server: pages that nobody sees hold none.
  function follow() {
    source?.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource(`${stream}?since=${since}`);
    source.addEventListener("reload", () => location.reload());
    source.addEventListener("styles", (event) => {
      since = event.lastEventId;
      swapStyles();
    });
    source.addEventListener("full", () => source.close());
  }

  document.addEventListener("visibilitychange", follow);
  follow();
})();
