"use strict";
// Uploads, with progress. Without this script the form sends the same files, all in one page load.
//
// What is chosen or dropped becomes items, a row for each; some of them are sent at a time. How one is
// sent, and where it goes on after a lost connection, is the matter of transfer.js.
(() => {
  const AT_ONCE = 3;
  // A connection that is lost is tried again after 1, 2, 4 ... seconds, so often in a row without any
  // progress; more often where nothing is sent twice.
  const TRIES = 8;
  const TRIES_IN_PARTS = 40;
  const PAUSE_MAX = 30;
  // So many seconds without a byte, and a connection counts as lost. A network that changed while a
  // phone slept tells nobody. Once all is sent, the server may need some time for its disk.
  const SILENCE = 60;
  const SILENCE_AFTER_WAKING = 10;
  const ANSWER = 300;

  const form = document.getElementById("upload");
  const sizeMax = Number(form.dataset.max ?? Infinity);
  const refreshListing = listingRefresher(document.currentScript.previousElementSibling,
    () => unfinished().length > 1);
  // A path that begins with two slashes would be another host.
  const here = location.pathname.replace(/^\/+/, "/").replace(/\/?$/, "/");
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
  const close = action("Close", dismiss);
  const bar = element("progress");
  bar.setAttribute("aria-label", "All files");
  const notice = element("p", {
    hidden: true,
    textContent: "Something between this browser and the server lets no file go on where it stopped: "
      + "each is sent in one piece, and again from its beginning if the connection is lost.",
  });
  const list = element("ul");
  // Without its bullets it would be none for some readers.
  list.setAttribute("role", "list");
  const panel = element("section", { id: "uploads", hidden: true },
    element("header", {}, total, cancelAll, retryAll, close), bar, notice, list);
  panel.setAttribute("aria-label", "Uploads");
  const left = element("p", { id: "left", hidden: true });
  const status = element("p", { className: "told" });
  status.setAttribute("role", "status");
  const say = (text) => { status.textContent = text; };

  chooseFiles.className = "main";
  chooseFolder.hidden = !("webkitdirectory" in input);
  input.hidden = true;
  form.replaceChildren(chooseFiles, chooseFolder, hint, input, folderInput, status);
  form.after(left, panel);

  // What has the keyboard hands it on.
  function hide(button, hidden) {
    const had = document.activeElement === button;
    button.hidden = hidden;
    if (had && hidden) chooseFiles.focus({ preventScroll: true });
  }

  const visible = (name) => name.replace(/\p{Cc}/gu, "\ufffd");

  function readable(bytes) {
    if (bytes < 1024) return `${bytes}\u00a0B`;
    const units = ["KiB", "MiB", "GiB", "TiB"];
    let number = bytes / 1024;
    while (number >= 1023.95 && units.length > 1) {
      number /= 1024;
      units.shift();
    }
    return `${number.toFixed(number < 9.95 ? 1 : 0)}\u00a0${units[0]}`;
  }

  function duration(seconds) {
    if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  const share = (item) => `${readable(item.loaded)} of ${readable(item.size)}`;
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
    notice.hidden = !transfer.isObstructed();
    list.tabIndex = list.scrollHeight > list.clientHeight ? 0 : -1;
    if (!running) {
      total.textContent = looking ? `${files(looking.length)} found so far` : summary();
      return;
    }
    for (const item of items) {
      if (item.state !== "sending") continue;
      item.bar.value = item.loaded;
      item.words.textContent = item.loaded < item.size ? share(item) : "Being stored";
    }
    const [loaded, size] = [sum((item) => item.loaded), sum((item) => item.size)];
    bar.max = Math.max(1, size);
    bar.value = loaded;
    const pause = pausedUntil - Date.now();
    const rate = pause > 0 ? 0 : speed();
    const parts = [`${count("sent")} of ${files(items.length)}`, `${readable(loaded)} of ${readable(size)}`];
    if (rate > 0) {
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
      const target = here + [...folder.split("/").slice(0, -1), name].map(transfer.encode).join("/");
      const item = { file, folder, name, target, size: file?.size ?? 0, loaded: 0, losses: 0 };
      items.push(item);
      makeRow(item);
      set(item, "waiting", "Waiting");
    }
    mishap = "";
    left.hidden = true;
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
      for (const item of waiting.slice(0, Math.max(0, AT_ONCE - count("sending")))) {
        // One before it that failed at once has had this one sent already.
        if (item.state === "waiting") send(item);
      }
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
    const attempt = new AbortController();
    const isCurrent = () => item.attempt === attempt;
    Object.assign(item, { attempt, moved: Date.now(), patience: SILENCE });
    if (item.size > sizeMax) {
      fail(item, `Longer than the ${readable(sizeMax)} that are taken here.`);
      return;
    }
    const isSentElsewhere = (upload) => unfinished().some((other) => other !== item && other.upload === upload);
    const known = item.upload ?? transfer.recall(item);
    item.upload = known && isSentElsewhere(known) ? undefined : known;
    set(item, "sending", "");
    const moved = (loaded, isSent = true) => {
      if (!isCurrent()) return;
      if (isSent) passed += Math.max(0, loaded - item.loaded);
      else showSoon();
      Object.assign(item, { loaded, moved: Date.now(), patience: SILENCE });
    };
    try {
      const file = await transfer.send(item, attempt.signal, moved);
      if (isCurrent()) stored(item, file);
    } catch (error) {
      if (!isCurrent()) return;
      if ("pause" in error) lost(item, error.message, error.pause);
      else fail(item, error.message);
    }
  }

  function stored(item, { name, url, size }) {
    const renamed = name === item.name.normalize() || name === item.name ? "" : ` as ${visible(name)}`;
    Object.assign(item, { attempt: null, file: null, loaded: item.size });
    set(item, "sent", `Uploaded${renamed}, ${readable(size)}`);
    // A drop box gives nothing back.
    if (document.getElementById("rows")) item.link.href = url;
    refreshListing();
    pump();
  }

  function fail(item, words, byLoss = false) {
    const kept = item.upload && item.loaded ? ` Kept so far: ${share(item)}.` : "";
    Object.assign(item, { attempt: null, byLoss });
    set(item, "failed", words + kept);
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
    if (item.losses >= (item.upload ? TRIES_IN_PARTS : TRIES)) return fail(item, words, true);
    set(item, "waiting", item.upload && item.loaded ? `Stopped at ${share(item)}` : "Waiting");
    trouble = words;
    // The time without a connection says nothing of the next one.
    samples = [];
    const seconds = Math.max(pause, Math.min(PAUSE_MAX, 2 ** (item.losses - 1)));
    pausedUntil = Math.max(pausedUntil, Date.now() + 1000 * seconds);
    say(`${words} Trying again.`);
    pump();
  }

  function abort(item) {
    const attempt = item.attempt;
    item.attempt = null;
    if (!item.upload) item.loaded = 0;
    attempt?.abort();
  }

  function cancel(some) {
    for (const item of some) {
      abort(item);
      transfer.discard(item);
      item.loaded = 0;
      set(item, "cancelled", "Cancelled");
    }
    pump();
  }

  // What was refused is given up then; what a connection has lost may be chosen again.
  function dismiss() {
    items.filter((item) => item.upload && !item.byLoss).forEach(transfer.discard);
    items = [];
    list.replaceChildren();
    showSoon();
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
    for (const item of items) {
      Object.assign(item, { losses: 0, moved: Date.now(), patience: SILENCE_AFTER_WAKING });
    }
    const again = items.filter((item) => item.byLoss);
    if (unfinished().length || again.length) retry(again);
  }
  document.addEventListener("visibilitychange", () => document.hidden || wake());
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

  // What was begun before this page was loaded: the browser gives no file back by itself.

  async function showLeft() {
    const begun = await transfer.unfinished(here);
    const parts = begun.map((item) =>
      `${visible(decodeURIComponent(item.target.slice(here.length)))} (${share(item)})`);
    left.hidden = begun.length === 0;
    left.replaceChildren(`Not finished: ${parts.join(", ")}. Choose the same again, and it goes on. `,
      action("Give up", () => {
        begun.forEach(transfer.discard);
        left.hidden = true;
      }));
  }
  showLeft();
})();
