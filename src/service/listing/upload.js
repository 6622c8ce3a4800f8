"use strict";
// Uploads, with progress. Without this script the form sends the same files, all in one page load.
//
// Each file is a form of its own, sent by POST: then the server numbers a name that is taken
// (`image (1).jpg`), since phones call every picture the same. A PUT would be refused instead, and
// numbers given here would race with those of other senders. What lies in a folder is posted to that
// folder's URL: the server makes what is missing on the way.
(() => {
  const AT_ONCE = 3;
  // A connection that is lost is tried again after 1, 2, 4 ... seconds, so often in a row.
  const TRIES = 8;
  const PAUSE_MAX = 30;
  // So many seconds without a byte, and a connection counts as lost. A network that changed while a
  // phone slept tells nobody. Once all is sent, the server may need some time for its disk.
  const SILENCE = 60;
  const SILENCE_AFTER_WAKING = 10;
  const ANSWER = 300;

  const form = document.getElementById("upload");
  const sizeMax = Number(form.dataset.max ?? Infinity);
  const here = location.pathname.replace(/\/?$/, "/");
  let items = [];
  let timer;
  let pausedUntil = 0;
  // Why all of them wait, and the last file that was refused.
  let trouble = "";
  let mishap = "";
  // What was found so far in what was dropped, while that is looked through.
  let looking;
  // Bytes that were sent, and what they were in the last seconds: the speed.
  let passed = 0;
  let samples = [];

  // What is shown.

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }
  const action = (text, onclick) => element("button", { type: "button", textContent: text, onclick });
  const input = form.querySelector("input");
  const folderInput = element("input", { type: "file", multiple: true, webkitdirectory: true, hidden: true });
  const chooseFiles = action("Upload files", () => input.click());
  const chooseFolder = action("Upload a folder", () => folderInput.click());
  const hint = element("span", { textContent: "or drop them on this page" });
  const total = element("p");
  const cancelAll = action("Cancel all", () => cancel(unfinished()));
  const retryAll = action("Retry all", () => retry(items.filter(isOver)));
  const close = action("Close", () => { items = []; list.replaceChildren(); showSoon(); });
  const bar = element("progress");
  bar.setAttribute("aria-label", "All files");
  const list = element("ul");
  // Without its bullets it would be none for some readers.
  list.setAttribute("role", "list");
  const panel = element("section", { id: "uploads", hidden: true },
    element("header", {}, total, cancelAll, retryAll, close), bar, list);
  panel.setAttribute("aria-label", "Uploads");
  const status = element("p", { className: "told" });
  status.setAttribute("role", "status");
  const say = (text) => { status.textContent = text; };

  chooseFiles.className = "main";
  chooseFolder.hidden = !("webkitdirectory" in input);
  input.hidden = true;
  form.replaceChildren(chooseFiles, chooseFolder, hint, input, folderInput, status);
  form.after(panel);

  // What has the keyboard hands it on.
  function hide(button, hidden) {
    const had = document.activeElement === button;
    button.hidden = hidden;
    if (had && hidden) chooseFiles.focus({ preventScroll: true });
  }

  const visible = (name) => name.replace(/\p{Cc}/gu, "\ufffd");

  function readable(bytes) {
    if (bytes < 1024) return `${bytes} B`;
    const units = ["KiB", "MiB", "GiB", "TiB"];
    let number = bytes / 1024;
    while (number >= 1023.95 && units.length > 1) {
      number /= 1024;
      units.shift();
    }
    return `${number.toFixed(number < 9.95 ? 1 : 0)} ${units[0]}`;
  }

  function duration(seconds) {
    if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  const files = (count) => count === 1 ? "1 file" : `${count} files`;
  const isRunning = (item) => item.state === "waiting" || item.state === "sending";
  const isOver = (item) => item.state === "failed" || item.state === "cancelled";
  const unfinished = () => items.filter(isRunning);
  const count = (state) => items.filter((item) => item.state === state).length;

  function makeRow(item) {
    item.link = element("a", {}, element("bdi", { textContent: visible(item.folder) }),
      element("bdi", { textContent: visible(item.name) }));
    item.words = element("span");
    item.bar = element("progress", { max: Math.max(1, item.size), value: 0 });
    item.bar.setAttribute("aria-label", item.folder + item.name);
    item.button = action("Cancel", () => isOver(item) ? retry([item]) : cancel([item]));
    item.row = element("li", {}, item.link, item.words, item.bar, item.button);
    list.append(item.row);
  }

  function set(item, state, words) {
    item.state = state;
    item.row.className = state;
    item.words.textContent = words;
    item.bar.hidden = state !== "sending";
    const text = isOver(item) ? "Retry" : "Cancel";
    item.button.textContent = text;
    item.button.setAttribute("aria-label", `${text} ${item.folder}${item.name}`);
    hide(item.button, state === "sent");
  }

  function sum(of) {
    let all = 0;
    for (const item of items) if (item.state !== "cancelled" && item.state !== "failed") all += of(item);
    return all;
  }

  function speed() {
    const now = Date.now();
    samples.push({ now, passed });
    samples = samples.filter((sample) => now - sample.now <= 5000);
    const seconds = (now - samples[0].now) / 1000;
    return seconds < 1 ? 0 : (passed - samples[0].passed) / seconds;
  }

  function summary() {
    const [sent, failed, cancelled] = ["sent", "failed", "cancelled"].map(count);
    const also = [failed && `${failed} failed`, cancelled && `${cancelled} cancelled`].filter(Boolean);
    const begin = also.length ? `${sent} of ${files(items.length)} uploaded` : `${files(sent)} uploaded`;
    return [begin, ...also].join(", ") + ".";
  }

  // Once a frame at most: a thousand small files end within a second.
  let frame;
  function showSoon() {
    frame ??= requestAnimationFrame(() => {
      frame = undefined;
      show();
    });
  }

  function show() {
    const running = unfinished().length > 0;
    panel.hidden = items.length === 0 && !looking;
    bar.hidden = !running;
    hide(cancelAll, !running);
    hide(retryAll, running || items.filter(isOver).length < 2);
    hide(close, running || Boolean(looking));
    list.tabIndex = list.scrollHeight > list.clientHeight ? 0 : -1;
    if (!running) {
      total.textContent = looking ? `${files(looking.length)} found so far` : summary();
      return;
    }
    for (const item of items) {
      if (item.state !== "sending") continue;
      item.bar.value = item.loaded;
      item.words.textContent = item.loaded < item.size
        ? `${readable(item.loaded)} of ${readable(item.size)}` : "Being stored";
    }
    const [loaded, size] = [sum((item) => item.loaded), sum((item) => item.size)];
    bar.max = Math.max(1, size);
    bar.value = loaded;
    const pause = pausedUntil - Date.now();
    const rate = speed();
    const parts = [`${count("sent")} of ${files(items.length)}`, `${readable(loaded)} of ${readable(size)}`];
    if (rate > 0 && pause <= 0) {
      parts.push(`${readable(Math.round(rate))}/s`, `${duration((size - loaded) / rate)} left`);
    }
    const why = pause > 0 ? `${trouble} Trying again in ${duration(pause / 1000)}. ` : "";
    total.textContent = why + parts.join(", ");
  }

  // What is sent.

  function add(found) {
    if (found.length === 0) {
      show();
      say("There are no files in it.");
      return;
    }
    if (unfinished().length === 0) {
      for (const item of items) if (!isOver(item)) item.row.remove();
      items = items.filter(isOver);
      samples = [];
    }
    for (const { file, folder, name } of found) {
      const item = { file, folder, name, size: file?.size ?? 0, loaded: 0, losses: 0 };
      items.push(item);
      makeRow(item);
      set(item, "waiting", "Waiting");
    }
    mishap = "";
    say(`Uploading ${files(found.length)}.`);
    pump();
  }

  // Sends what waits, as far as it may; called whenever something has changed.
  function pump() {
    const running = unfinished();
    const idle = running.length === 0;
    window.onbeforeunload = idle ? null : (event) => event.preventDefault();
    if (idle) timer = clearInterval(timer);
    else timer ??= setInterval(tick, 500);
    if (pausedUntil <= Date.now()) {
      const waiting = running.filter((item) => item.state === "waiting");
      waiting.slice(0, Math.max(0, AT_ONCE - count("sending"))).forEach(send);
    }
    showSoon();
    if (idle && items.length) say(`${summary()} ${mishap}`);
  }

  function tick() {
    const now = Date.now();
    for (const item of items) {
      if (item.state !== "sending") continue;
      const limit = item.loaded < item.size ? item.patience : ANSWER;
      if (now - item.moved > 1000 * limit) lost(item, "The connection was lost.");
    }
    pump();
  }

  async function send(item) {
    const request = new XMLHttpRequest();
    const isCurrent = () => item.request === request;
    Object.assign(item, { request, loaded: 0, moved: Date.now(), patience: SILENCE });
    if (item.size > sizeMax) {
      fail(item, `Longer than the ${readable(sizeMax)} that are taken here.`);
      return;
    }
    set(item, "sending", "");
    // A file that was changed or removed meanwhile fails like a connection: looked at first.
    try {
      await item.file.slice(0, 1).arrayBuffer();
    } catch {
      if (isCurrent()) fail(item, "This file cannot be read: choose it again.");
      return;
    }
    if (!isCurrent()) return;
    const body = new FormData();
    body.append("file", item.file, item.name);
    request.upload.onprogress = (event) => {
      if (!isCurrent()) return;
      const loaded = Math.min(event.loaded, item.size);
      passed += Math.max(0, loaded - item.loaded);
      Object.assign(item, { loaded, moved: Date.now(), patience: SILENCE });
    };
    request.onload = () => isCurrent() && answered(item, request);
    request.onerror = () => isCurrent() && lost(item, "The connection was lost.");
    const path = item.folder.split("/").map(encode).join("/");
    request.open("POST", here + path);
    request.setRequestHeader("Accept", "application/json");
    request.send(body);
  }

  // Half of a surrogate pair has no encoding.
  const encode = (name) => encodeURIComponent(name.replace(/\p{Cs}/gu, "\ufffd"));

  function answered(item, request) {
    let answer;
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // From a proxy: only its status says something.
    }
    const result = answer?.files?.[0] ?? answer;
    if (request.status === 201 && result?.url) {
      stored(item, result);
    } else if ([408, 425, 429, 502, 503, 504].includes(request.status)) {
      lost(item, "The server is busy.", Number(request.getResponseHeader("Retry-After")) || 0);
    } else {
      fail(item, result?.error ?? `The server answered ${request.status} ${request.statusText}`);
    }
  }

  function stored(item, { name, url, size }) {
    const renamed = name === item.name.normalize() || name === item.name ? "" : ` as ${visible(name)}`;
    Object.assign(item, { request: null, file: null, loaded: item.size });
    set(item, "sent", `Uploaded${renamed}, ${readable(size)}`);
    // A drop box gives nothing back.
    if (rows()) item.link.href = url;
    refreshSoon();
    pump();
  }

  function fail(item, words, byLoss = false) {
    Object.assign(item, { request: null, loaded: 0, byLoss });
    set(item, "failed", words);
    const focused = document.activeElement;
    list.prepend(item.row);
    if (focused === item.button) focused.focus();
    mishap = `${item.name}: ${words}`;
    say(mishap);
    pump();
  }

  // All of them wait then: what one connection has met, the next one would.
  function lost(item, words, pause = 0) {
    abort(item);
    item.losses += 1;
    if (item.losses === TRIES) return fail(item, words, true);
    set(item, "waiting", "Waiting");
    trouble = words;
    const seconds = Math.max(pause, Math.min(PAUSE_MAX, 2 ** (item.losses - 1)));
    pausedUntil = Math.max(pausedUntil, Date.now() + 1000 * seconds);
    say(`${words} Trying again.`);
    pump();
  }

  function abort(item) {
    const request = item.request;
    Object.assign(item, { request: null, loaded: 0 });
    request?.abort();
  }

  function cancel(some) {
    for (const item of some) {
      abort(item);
      set(item, "cancelled", "Cancelled");
    }
    pump();
  }

  function retry(some) {
    for (const item of some) {
      Object.assign(item, { losses: 0, byLoss: false });
      set(item, "waiting", "Waiting");
    }
    pausedUntil = 0;
    mishap = "";
    pump();
  }

  // A network that is back, or a phone that is looked at again.
  function wake() {
    if (document.hidden) return;
    for (const item of items) {
      Object.assign(item, { losses: 0, moved: Date.now(), patience: SILENCE_AFTER_WAKING });
    }
    const again = items.filter((item) => item.byLoss);
    if (unfinished().length || again.length) retry(again);
  }
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("online", wake);

  // What is chosen or dropped.

  function chosen(event) {
    add([...event.target.files].map((file) => {
      const path = file.webkitRelativePath;
      return { file, name: file.name, folder: path.slice(0, path.lastIndexOf("/") + 1) };
    }));
    // The same file may be chosen again.
    event.target.value = "";
  }
  input.onchange = folderInput.onchange = chosen;

  async function walk(entry, folder, found) {
    const name = entry.name;
    try {
      if (entry.isFile) {
        found.push({ name, folder, file: await new Promise((done, failed) => entry.file(done, failed)) });
        showSoon();
        return;
      }
      const reader = entry.createReader();
      const read = () => new Promise((done, failed) => reader.readEntries(done, failed));
      // It gives a hundred at a time, and then none.
      for (let some = await read(); some.length; some = await read()) {
        for (const inner of some) await walk(inner, `${folder}${name}/`, found);
      }
    } catch {
      found.push({ name, folder });
    }
  }

  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (on) => document.documentElement.classList.toggle("drop", on);
  for (const type of ["dragenter", "dragover"]) {
    document.addEventListener(type, (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      mark(true);
    });
  }
  document.addEventListener("dragleave", (event) => event.relatedTarget || mark(false));
  document.addEventListener("drop", async (event) => {
    mark(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    // Before the first wait: the list of a drop is empty behind it.
    const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file")
      .map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
    const found = looking = [];
    show();
    for (const { entry, file } of dropped) {
      if (entry) await walk(entry, "", found);
      else if (file) found.push({ file, folder: "", name: file.name });
    }
    looking = undefined;
    add(found);
  });

  // The listing, kept true. Its own script makes rows what they are, so it is run again for new ones:
  // the policy permits it by its hash, wherever it comes from.

  const rows = () => document.getElementById("rows");
  const script = document.currentScript.previousElementSibling;
  let isStale = false;
  let isRefreshing = false;
  let listeners = new AbortController();

  async function refreshSoon() {
    isStale = true;
    if (isRefreshing || !rows()) return;
    isRefreshing = true;
    for (let cost = 0; isStale;) {
      // A long listing is asked for less often.
      const pause = Math.max(unfinished().length > 1 ? 1000 : 0, 10 * cost);
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
      const response = await fetch(here, { headers, cache: "no-cache" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (page.getElementById("rows")) replaceRows(page);
    } catch {
      // The next one may succeed.
    }
  }

  function replaceRows(page) {
    const summary = document.getElementById("summary");
    const table = rows().closest("table");
    const filter = summary.parentNode.querySelector("input");
    const [focused, from, to] = [document.activeElement, filter?.selectionStart, filter?.selectionEnd];
    const heads = [...table.querySelectorAll("th")];
    const column = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    const order = heads[column]?.getAttribute("aria-sort");

    const fresh = document.adoptNode(page.querySelector("table"));
    table.replaceWith(fresh);
    filter?.remove();
    summary.textContent = page.getElementById("summary").textContent;
    runAgain(script);

    const head = fresh.querySelectorAll("th")[column];
    for (let tries = 0; order && head && tries < 2 && head.getAttribute("aria-sort") !== order; tries += 1) {
      head.firstChild.click();
    }
    const freshFilter = summary.parentNode.querySelector("input");
    if (filter && freshFilter) {
      freshFilter.value = filter.value;
      freshFilter.dispatchEvent(new Event("input"));
    }
    if (focused === filter) {
      freshFilter?.focus();
      freshFilter?.setSelectionRange(from, to);
    } else if (table.contains(focused)) {
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
    const again = element("script", { textContent: script.textContent });
    document.body.append(again);
    again.remove();
    delete document.addEventListener;
  }
})();
