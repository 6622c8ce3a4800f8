"use strict";
// One file on its way to the server.
//
// A short one is a form of its own, sent by POST, which passes every proxy. A longer one goes in parts
// that the server keeps (draft-ietf-httpbis-resumable-upload): after a lost connection, a restart of the
// server or a reload of this page it goes on where it stopped.
//
//   PUT    a.iso?upload        Upload-Complete: ?0               201, Location: a.iso?upload=TOKEN
//   PATCH  a.iso?upload=TOKEN  Upload-Offset: 0                  204, Upload-Offset: 33554432
//   HEAD   a.iso?upload=TOKEN                                    204, Upload-Offset: what is there
//   PATCH  a.iso?upload=TOKEN  ... Upload-Complete: ?1           201
//   DELETE a.iso?upload=TOKEN                                    204
//
// Either way the server numbers a name that is taken (`image (1).jpg`), since phones call every picture
// the same: numbers given here would race with those of other senders.
//
// An item has a file, its size, its name and its target, the path of its URL.
const transfer = (() => {
  // What is sent again, at worst, of a file that goes in one request; parts cost a request more.
  const WHOLE_MAX = 8 << 20;
  // Proxies that keep a request until it is whole lose no more than one part, and one that takes less
  // is found out. nginx takes 1 MiB where it is not told otherwise.
  const PART_MAX = 32 << 20;
  const PART_MIN = 1 << 20;
  // The server keeps an upload for a day.
  const KEPT_MS = 24 * 60 * 60 * 1000;
  const PASSING = [408, 425, 429, 502, 503, 504];

  let part = PART_MAX;
  let isObstructed = false;

  // Worth another try, by itself, after so many seconds at least.
  class Lost extends Error {
    constructor(words, pause = 0) {
      super(words);
      this.pause = pause;
    }
  }
  // Something between passes no such requests.
  class Obstructed extends Error {}

  // Half of a surrogate pair has no encoding.
  const encode = (name) => encodeURIComponent(name.replace(/\p{Cs}/gu, "\ufffd"));

  function ask(signal, method, url, fields = {}, body = null, moved = null) {
    return new Promise((answered, failed) => {
      const lost = () => failed(new Lost("The connection was lost."));
      if (signal.aborted) return lost();
      const request = new XMLHttpRequest();
      signal.addEventListener("abort", () => request.abort());
      if (moved) request.upload.onprogress = (event) => moved(event.loaded);
      request.onload = () => answered(request);
      request.onerror = request.onabort = lost;
      request.open(method, url);
      request.setRequestHeader("Accept", "application/json");
      for (const [name, value] of Object.entries(fields)) request.setRequestHeader(name, value);
      request.send(body);
    });
  }

  // Of this server; a proxy has none.
  function result(answer) {
    try {
      const said = JSON.parse(answer.responseText);
      return said.files?.[0] ?? said;
    } catch {
      return undefined;
    }
  }

  function refusal(answer) {
    const words = result(answer)?.error;
    const pause = answer.getResponseHeader("Retry-After");
    if (pause || PASSING.includes(answer.status)) {
      return new Lost(words ?? "The server is busy.", Number(pause) || 0);
    }
    if (words) return new Error(words);
    if (answer.status === 413) return new Error("Too long for a proxy on the way.");
    return new Error(`The server answered ${answer.status} ${answer.statusText}`);
  }

  // The same of a request that a proxy may not know.
  function partRefusal(answer) {
    const { status } = answer;
    const isForeign = !result(answer)?.error && (status < 500 || status === 501) && ![401, 407, 429].includes(status);
    return isForeign || status === 415 ? new Obstructed() : refusal(answer);
  }

  function stored(item, answer) {
    const { name = item.name, size = item.size } = result(answer) ?? {};
    // Not by the URL in the answer: a proxy may have its own.
    const url = item.target.slice(0, item.target.lastIndexOf("/") + 1) + encode(name);
    return { name, url, size };
  }

  async function sendWhole(item, signal, moved) {
    moved(0, false);
    const form = new FormData();
    form.append("file", item.file, item.name);
    const folder = item.target.slice(0, item.target.lastIndexOf("/") + 1);
    const answer = await ask(signal, "POST", folder, {}, form, (loaded) => moved(Math.min(loaded, item.size)));
    if (answer.status !== 201 || !result(answer)?.url) throw refusal(answer);
    return stored(item, answer);
  }

  const offset = (answer) => Number(answer.getResponseHeader("Upload-Offset") ?? NaN);

  async function begin(item, signal) {
    const fields = { "Upload-Complete": "?0", "Upload-Length": item.size, Prefer: "on-conflict=rename" };
    const answer = await ask(signal, "PUT", `${item.target}?upload`, fields);
    const token = /\?(upload=[0-9a-f]+)$/.exec(answer.getResponseHeader("Location"))?.[1];
    if (answer.status !== 201 || !token) throw partRefusal(answer);
    item.upload = `${item.target}?${token}`;
    remember(item);
  }

  // How much of it the server has.
  async function look(item, signal) {
    const answer = await ask(signal, "HEAD", item.upload);
    const at = offset(answer);
    if (answer.status === 404 || answer.status === 410 || at > item.size) return undefined;
    if (answer.status !== 204 || Number.isNaN(at)) throw partRefusal(answer);
    return at;
  }

  // All of it was sent, the answer was lost, and the server knows no such upload any more.
  async function lookForWhole(item, signal) {
    const answer = await ask(signal, "HEAD", item.target);
    if (answer.status === 200 && Number(answer.getResponseHeader("Content-Length")) === item.size) {
      return { name: item.name, url: item.target, size: item.size };
    }
    throw new Error("All of it was sent, but the answer was lost: look for it in the folder.");
  }

  async function sendParts(item, signal, moved) {
    let at = item.upload && await look(item, signal);
    if (item.upload && at === undefined) {
      forget(item);
      if (item.isUnanswered) return lookForWhole(item, signal);
    }
    if (!item.upload) await begin(item, signal);
    at ??= 0;
    for (;;) {
      // It is not given up as long as it gets on.
      if (at > (item.kept ?? 0)) item.losses = 0;
      item.kept = at;
      moved(at, false);
      const [from, end] = [at, Math.min(item.size, at + part)];
      const isLast = end === item.size;
      const answer = await sendPart(item, signal, from, end, moved);
      const said = offset(answer);
      item.isUnanswered = false;
      if (isLast && (answer.status === 201 || answer.status === 200)) {
        forget(item);
        return stored(item, answer);
      }
      if (answer.status === 204 && said === end) {
        at = end;
      } else if (answer.status === 409 && said !== at && said <= item.size) {
        at = said;
      } else if (answer.status === 413 && !result(answer)?.error && part > PART_MIN) {
        part /= 2;
      } else {
        if (answer.status === 404 && result(answer)?.error) {
          forget(item);
          throw new Lost("The server has given this upload up.");
        }
        throw partRefusal(answer);
      }
    }
  }

  function sendPart(item, signal, from, end, moved) {
    const isLast = end === item.size;
    item.isUnanswered = isLast && from === end;
    const fields = {
      "Content-Type": "application/partial-upload",
      "Upload-Offset": from,
      "Upload-Complete": isLast ? "?1" : "?0",
      "Upload-Length": item.size,
      Prefer: "on-conflict=rename",
    };
    return ask(signal, "PATCH", item.upload, fields, item.file.slice(from, end), (loaded) => {
      item.isUnanswered = isLast && loaded >= end - from;
      moved(Math.min(from + loaded, end));
    });
  }

  // Resolves to the name, URL and size of the file that is there then. `moved(loaded, isSent)` is told
  // how much of it is on its way, and whether that was sent just now or was there.
  async function send(item, signal, moved) {
    // A file that was changed or removed meanwhile fails like a connection: looked at first.
    try {
      await item.file.slice(0, 1).arrayBuffer();
    } catch {
      throw new Error("This file cannot be read any more: choose it again.");
    }
    if (item.size > WHOLE_MAX && !isObstructed) {
      try {
        return await sendParts(item, signal, moved);
      } catch (error) {
        if (!(error instanceof Obstructed)) throw error;
        isObstructed = true;
        discard(item);
      }
    }
    return sendWhole(item, signal, moved);
  }

  // Gives up what the server keeps of it. The connection that sent it may still be there for a moment.
  async function discard(item) {
    const url = item.upload;
    forget(item);
    for (let pause = 250; url && pause <= 8000; pause *= 2) {
      try {
        const answer = await fetch(url, { method: "DELETE", keepalive: true });
        if (answer.status !== 409) return;
      } catch {
        // It may be there again in a moment.
      }
      await new Promise((done) => setTimeout(done, pause));
    }
  }

  // What was begun, for this page after a reload. Where nothing can be stored, it begins anew then.

  const keyOf = (item) => `upload ${item.target} ${item.size} ${item.file.lastModified}`;

  function remember(item) {
    try {
      localStorage.setItem(keyOf(item), `${Date.now()} ${item.upload}`);
    } catch {
      // Forbidden, or full.
    }
  }

  function recall(item) {
    try {
      return localStorage.getItem(keyOf(item))?.split(" ")[1];
    } catch {
      return undefined;
    }
  }

  function forget(item) {
    try {
      if (recall(item) === item.upload) localStorage.removeItem(keyOf(item));
    } catch {
      // Nothing is there.
    }
    item.upload = undefined;
    item.kept = 0;
  }

  // Files below this path that were begun before this page was loaded, and are there still.
  async function unfinished(here) {
    let keys = [];
    try {
      keys = Object.keys(localStorage).filter((key) => key.startsWith(`upload ${here}`));
    } catch {
      return [];
    }
    const found = await Promise.all(keys.map(async (key) => {
      const [since, url] = localStorage.getItem(key).split(" ");
      const answer = await fetch(url, { method: "HEAD" });
      const at = Number(answer.headers.get("Upload-Offset") ?? NaN);
      const isGone = answer.status === 404 || answer.status === 410;
      if (isGone || Date.now() - since > 7 * KEPT_MS) localStorage.removeItem(key);
      const [, target, size, lastModified] = key.split(" ");
      const item = { target, size: Number(size), file: { lastModified }, upload: url, loaded: at };
      return answer.ok && at > 0 ? item : undefined;
    }).map((look) => look.catch(() => undefined)));
    return found.filter(Boolean);
  }

  return { send, discard, recall, unfinished, encode, isInParts: (item) => item.size > WHOLE_MAX && !isObstructed,
    isObstructed: () => isObstructed };
})();
