"use strict";
// What this page can do more with a script: choose a theme, and ask the server questions.

const root = document.documentElement;

function remembered() {
  try { return localStorage.getItem("theme"); } catch { return null; }
}

// At once, before anything is drawn.
if (remembered()) root.dataset.theme = remembered();

function themeButton() {
  const button = document.getElementById("theme");
  const dark = () =>
    (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${dark() ? "light" : "dark"} theme`);
  };
  button.onclick = () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this page only */ }
    label();
  };
  button.hidden = false;
  label();
}

/** Sends one request and writes down what came back. */
async function ask(out, path, options = {}) {
  const fields = Object.entries(options.headers ?? {}).map(([name, value]) => `> ${name}: ${value}\n`);
  const asked = `> ${options.method ?? "GET"} ${path}\n${fields.join("")}\n`;
  out.textContent = asked;
  const before = performance.now();
  try {
    // no-store: the browser's own cache must not answer in the server's place.
    const response = await fetch(path, { cache: "no-store", ...options });
    const body = await response.arrayBuffer();
    const time = (performance.now() - before).toFixed(1);
    const lines = [...response.headers].map(([name, value]) => `< ${name}: ${value}\n`);
    out.textContent = `${asked}< ${response.status} ${response.statusText}\n${lines.join("")}\n` +
      `${body.byteLength.toLocaleString("en")} bytes of content after ${time} ms`;
    const short = body.byteLength > 0 && body.byteLength <= 200;
    if (short) out.textContent += `:\n\n${new TextDecoder().decode(body)}`;
    return response;
  } catch (error) {
    out.textContent = `${asked}no answer: ${error.message}`;
    return null;
  }
}

const questions = {
  head: (out) => ask(out, "style.css", { method: "HEAD" }),
  range: (out) => ask(out, "download/primes.csv", { headers: { Range: "bytes=0-99" } }),
  missing: (out) => ask(out, "nothing/here", { headers: { Accept: "text/plain" } }),
  async again(out) {
    const first = await ask(out, "style.css");
    const tag = first?.headers.get("etag");
    const date = first?.headers.get("last-modified");
    if (tag) await ask(out, "style.css", { headers: { "If-None-Match": tag } });
    else if (date) await ask(out, "style.css", { headers: { "If-Modified-Since": date } });
  },
  async module(out) {
    out.textContent = "import('./module/add.mjs')\n";
    try {
      const { load } = await import("./module/add.mjs");
      const add = await load();
      out.textContent += `add.mjs came as JavaScript, add.wasm as application/wasm:\nadd(20, 22) = ${add(20, 22)}`;
    } catch (error) {
      out.textContent += `refused: ${error.message}`;
    }
  },
};

document.addEventListener("DOMContentLoaded", () => {
  themeButton();
  const section = document.getElementById("ask");
  if (!section) return;
  section.hidden = false;
  const out = document.getElementById("answer");
  for (const button of section.querySelectorAll("button[data-ask]")) {
    button.onclick = () => questions[button.dataset.ask](out);
  }
});
