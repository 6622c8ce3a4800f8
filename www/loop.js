// The page: where its runs come from, the way through them, and the address bar. What is drawn comes from a
// record (loop-record.js) and from nothing else.

import { $, drawLegend, drawTable, el, inspect, runSign } from "./loop-draw.js";
import { WAYS, callAsCode, factInWords, follow, loopsOf, number, parse } from "./loop-record.js";
import { COLUMNS_MAX, arrange, cellAt, culpritHere, firstPlace, placeOf, sides, view } from "./loop-view.js";

const RECORDINGS = [
  "two-edge", "two-level", "slow-edge", "slow-level", "slow-level-never-disarmed", "early-edge", "early-level", "early-edge-budget",
];

/** What to look for, by scenario, trigger and mistake: for recordings and for the lab. */
const LOOK = {
  "two-edge": "Both directions are armed once, when the client comes in; there is no epoll_ctl ◆ after that. The second turn stops reading after fewer bytes than there was room for.",
  "two-level": "Reading alone is armed: the answers fit, so writing never has to be.",
  "slow-edge": "Writing meets EAGAIN and sleeps until the client receives. epoll_ctl ◆ is called once in the whole run; the kernel speaks of each change.",
  "slow-level": "At EAGAIN writing comes into the interest set and reading leaves it (turn 2), and back again (turn 6): each change costs an epoll_ctl ◆.",
  "slow-level-never-disarmed": "From turn 2 on reading stays armed although it is not wanted, and writing after turn 6: every wait would end at once, for nothing.",
  "early-edge": "After turns 2 to 5 writing is left although it could go on: the dot. The loop queues the connection and does not wait, because no new edge would come.",
  "early-level": "After turns 2 to 5 writing is left although it could go on, and nothing is queued: the kernel says it again in the next wait.",
  "early-edge-budget": "After turn 2 writing is left although it could go on, as in the right run, but there is no dot: nobody comes back.",
  "pipelined-edge": "One read brings both requests, and both are answered in the same turn: no second event will announce the second request.",
  "end-edge": "Bytes and end come in one event, with a mark: read goes on after a short count, because the end is behind it.",
  "end-edge-end": "Read stops at fewer bytes than there was room for, and the end behind them is never looked for: the box says sleeping, and the kernel has nothing new to say.",
  "flood-edge": "The connection with twelve requests is left with work in the inbox and queued, and the other one has its answer in between.",
  "emfile-edge": "accept fails with EMFILE, and the clock, not the kernel, brings the loop back to it.",
  "emfile-level": "accept fails with EMFILE. The listener leaves the loop in peace until the clock says so; otherwise each wait would end at once.",
  "slow-level-never-armed": "In turn 2 writing comes to be wanted, and the epoll_ctl ◆ takes reading out but does not put writing in: no bump on the box.",
  "flood-edge-work": "In turn 2 the first connection is left with requests in its inbox and no dot. They are no longer in the kernel, so no event announces them.",
  "flood-level-work": "In turn 2 the first connection is left with requests in its inbox and no dot. They are no longer in the kernel, so level does not help either.",
  "slow-edge-forgotten": "What the kernel announces while it is not wanted is thrown away: look for the boxes marked forgotten.",
};

const PRESETS = [
  ["A slow client: edge beside level", "slow-edge", "slow-level"],
  ["Edge stalls: right beside wrong", "early-edge", "early-edge-budget"],
  ["Level spins: right beside wrong", "slow-level", "slow-level-never-disarmed"],
  ["Stopped early: edge beside level", "early-edge", "early-level"],
  ["Two requests", "two-edge", "two-level"],
];

const asked = { a: "slow-edge", b: "slow-level" };
const own = { a: null, b: null };          // texts that a person has given
let lab = null;
const tableCell = ({ column, row }) => $("table").querySelector(`td[data-column="${column}"][data-row="${row}"]`);

function choose(place, focus = true) {
  view.here = { ...place, column: clamp(place.column, view.columns.length), row: clamp(place.row, view.rows.length) };
  if (!view.columns.length) return;
  if (view.here.column < view.from || view.here.column >= view.from + COLUMNS_MAX) {
    view.from = Math.max(0, Math.min(view.here.column - COLUMNS_MAX / 2, view.columns.length - COLUMNS_MAX));
    drawTable();
  }
  for (const node of $("table").querySelectorAll(".here, .chosen, .picked")) {
    if (node.classList.contains("picked")) node.classList.remove("picked");
    node.classList.remove("here", "chosen");
    if (node.tabIndex === 0) node.tabIndex = -1;
  }
  for (const node of $("table").querySelectorAll(`[data-column="${view.here.column}"]`)) node.classList.add("here");
  const cell = tableCell(view.here);
  cell.classList.add("chosen");
  cell.tabIndex = 0;
  pick(cell, view.here.call);
  culpritHere((found) => pick(tableCell(found), found.call));
  reveal(cell);
  if (focus) cell.focus({ preventScroll: true });
  inspect();
  writeAddress();
}

const clamp = (n, length) => Math.max(0, Math.min(n, length - 1));
const pick = (cell, call) => cell?.querySelector(`.slot[data-call="${call}"]`)?.classList.add("picked");

/** Brings a cell into view beside the sticky column. */
function reveal(cell) {
  const frame = $("frame"), head = frame.querySelector("thead th").offsetWidth;
  const left = cell.offsetLeft - head - 12, right = cell.offsetLeft + cell.offsetWidth + 12 - frame.clientWidth;
  if (frame.scrollLeft > left) frame.scrollLeft = left;
  else if (frame.scrollLeft < right) frame.scrollLeft = Math.min(right, left);
}

function go(place, said = "") {
  if (live.stream) live.paused = true;
  choose(place);
  $("say").textContent = said;
}

function stepCall(by) {
  const calls = view.columns.flatMap((_, column) => cellAt(column, view.here.row).marks
    .filter(({ at }) => at !== undefined).map(({ at }) => ({ column, row: view.here.row, call: at })));
  const order = ({ column, call }) => column * 10_000 + (call ?? (by > 0 ? -1 : 9_999));
  const next = by > 0 ? calls.find((one) => order(one) > order(view.here)) : calls.findLast((one) => order(one) < order(view.here));
  if (!next) return go(view.here, "no more calls in this row");
  const fact = cellAt(next.column, next.row).turn.facts[next.call];
  return go(next, `${callAsCode(fact)}: ${factInWords(fact)}`);
}

function stepTo(list, by, word) {
  const order = ({ column, row }) => column * 10_000 + row;
  const next = by > 0 ? list.find((one) => order(one) > order(view.here)) : list.findLast((one) => order(one) < order(view.here));
  return next ? go(next) : go(view.here, list.length ? `no more ${word}` : `no ${word}`);
}

const toCulprit = () => culpritHere((place) => go(place, "the call that it comes from"));
const move = (right, down) => () => go({ column: view.here.column + right, row: view.here.row + down, call: null });

const KEYS = {
  ArrowRight: move(1, 0), ArrowLeft: move(-1, 0), ArrowDown: move(0, 1), ArrowUp: move(0, -1), Home: move(-Infinity, 0), End: move(Infinity, 0),
  n: () => stepCall(1), p: () => stepCall(-1),
  d: () => stepTo(view.differences, 1, "differences"), D: () => stepTo(view.differences, -1, "differences"),
  f: () => stepTo(view.faults, 1, "faults"), F: () => stepTo(view.faults, -1, "faults"), Enter: toCulprit,
};

const BUTTONS = [
  ["← turn", "ArrowLeft"], ["turn →", "ArrowRight"], ["← call", "p"], ["call →", "n"], ["next difference ≠", "d"], ["next fault", "f"],
];

function watchKeys() {
  $("table").onkeydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  };
  $("table").onclick = ({ target }) => {
    const cell = target.closest("td[data-row]");
    if (cell) go({ column: Number(cell.dataset.column), row: Number(cell.dataset.row), call: null });
  };
  $("inspector").onclick = ({ target }) => { if (target.closest("[data-go=culprit]")) toCulprit(); };
  $("steps").replaceChildren(...BUTTONS.map(([name, key]) => el("button", { type: "button", onclick: () => { KEYS[key](); } }, name)));
}

function show(place) {
  drawMore(arrange());
  drawVerdicts();
  if (place || !view.columns.length) view.here = place ?? { column: 0, row: 0, call: null };
  if (view.columns.length) choose(view.here, drawTable());
  else { $("table").replaceChildren(); $("inspector").replaceChildren(el("h2", { id: "inspector-title" }, "No turn is chosen")); }
  for (const link of $("presets").querySelectorAll("a")) {
    const is = link.hash === `#a=${asked.a}&b=${asked.b}`;
    if (is) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  }
  const pairs = [...($("more-pairs")?.options ?? [])];
  (pairs.find(({ value }) => value === `#a=${asked.a}&b=${asked.b}`) ?? pairs[0] ?? {}).selected = true;
}

function drawMore(left) {
  $("more").hidden = !left;
  const drawAll = () => { view.allGroups = true; show(); };
  $("more").replaceChildren(`${left} more connections are not drawn. `, el("button", { type: "button", onclick: drawAll }, "Draw all"));
}

function drawVerdicts() {
  const titleOf = ({ title, backend, trigger }) => (title ? `: ${title}. ` : backend === trigger ? ". " : `, ${backend}. `);
  $("verdicts").replaceChildren(...sides().map((side) => {
    const { heading, trigger, fault } = view.shown[side];
    const verdict = heading.verdict ?? (fault ? `${fault[1].text}, in turn ${fault[0].turn}` : null);
    const parts = asked[side].split(":");
    const key = parts[0] === "lab" ? `${parts[2]}-${parts[1]}${parts[3] ? `-${parts[3]}` : ""}` : asked[side];
    const title = side === "b" && view.shown.a ? unlike(titleOf(heading), view.shown.a.heading.title) : titleOf(heading);
    return el("p", { class: verdict ? "bad" : "" }, runSign(side), el("span", { class: "name" }, ` ${trigger}`), title,
      el("strong", {}, verdict ? `Verdict: ${verdict}.` : "Nothing wrong: somebody comes back to all that is wanted."),
      LOOK[key] && el("span", { class: "look" }, LOOK[key]));
  }));
}

/** The title of run B without what the title of run A has said above it. */
const unlike = (title, above) => (above && title.startsWith(`: ${above}`) ? title.slice(above.length + 2).replace(/^;/, ":") : title);

function writeAddress() {
  if (asked.a === "live") return;
  const row = view.rows[view.here.row], index = view.columns[view.here.column][row.side];
  const side = index === null ? (row.side === "a" ? "b" : "a") : row.side;
  const turn = view.shown[side].turns[view.columns[view.here.column][side]].turn;
  const call = view.here.call === null ? "" : `&call=${view.here.call}`;
  const hash = `#a=${asked.a}&b=${asked.b}&turn=${side}${turn}&row=${row.side}.${encodeURIComponent(row.who)}.${row.way}${call}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

async function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  const wanted = { a: address.get("a") ?? asked.a, b: address.get("b") ?? (address.has("a") ? "" : asked.b) };
  trouble("");
  await Promise.all(["a", "b"].map((side) => load(side, wanted[side])));
  drawSides();
  show();
  if (view.columns.length) choose(placeOf(address) ?? firstPlace(), false);
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text;
}

async function load(side, source) {
  asked[side] = source;
  view.shown[side] = null;
  if (source !== "live" && side === "a") disconnect();
  if (!source || source === "live") return source === "live" ? connect() : null;
  try {
    const [kind, trigger, scenario, mistake, seed] = source.split(":");
    if (kind === "own" && !own[side]) throw new Error("a record of one's own is not kept: give it again");
    const query = `lab?${new URLSearchParams({ trigger, scenario, mistake: mistake ?? "", seed: seed || "0" })}`;
    const text = kind === "own" ? own[side] : await fetched(kind === "lab" ? query : `records/${encodeURIComponent(source)}.jsonl`);
    // Something else may have been asked for in the meantime.
    if (asked[side] !== source) return null;
    const record = parse(text);
    if (record.torn) trouble(`Line ${record.torn} of run ${side.toUpperCase()} breaks off, and is left out.`);
    view.shown[side] = follow(record);
  } catch (error) {
    trouble(`Run ${side.toUpperCase()} (${source}) cannot be shown: ${error.message}`);
  }
  return null;
}

async function fetched(path) {
  const answer = await fetch(path);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}: ${text.slice(0, 200)}`);
  return text;
}

function to(a, b) {
  location.hash = `#a=${a}&b=${b}`;
}

const option = (value, name, chosen) => el("option", { value, selected: value === chosen }, name);

/** The choice of each run: a recording, or an experiment with what it consists of. */
function drawSides() {
  const focused = document.activeElement?.id;
  $("sides").replaceChildren(...["a", "b"].map((side) => {
    const parts = asked[side].split(":");
    const kind = parts[0] === "lab" ? "lab" : asked[side];
    const change = (source) => to(side === "a" ? source : asked.a, side === "b" ? source : asked.b);
    const pickSource = ({ target }) => change(target.value === "lab" ? "lab:edge:early:budget:0" : target.value);
    const source = el("select", { id: `source-${side}`, "aria-label": `Run ${side.toUpperCase()}: source`, onchange: pickSource },
      side === "b" && option("", "nothing", kind),
      el("optgroup", { label: "Recordings" }, RECORDINGS.map((name) => option(name, name, kind))),
      lab && option("lab", "experiment", kind),
      own[side] && option("own", "your record", kind),
      kind === "live" && option("live", "live", kind));
    const rest = lab && kind === "lab" && experiment(side, parts, change);
    return el("fieldset", {}, el("legend", {}, runSign(side)), source, rest);
  }));
  if (focused) $(focused)?.focus();
}

function experiment(side, [, trigger, scenario, mistake, seed], change) {
  const ids = ["trigger", "scenario", "mistake", "seed"];
  const run = () => change(["lab", ...ids.map((id) => $(`${id}-${side}`).value)].join(":"));
  const select = (id, ...options) => el("label", {}, `${id} `, el("select", { id: `${id}-${side}`, onchange: run }, ...options));
  const hurts = ({ name, hurts: triggers }) => `${name}${triggers.includes(trigger) ? "" : " (harmless)"}`;
  return [
    select("trigger", ["edge", "level"].map((name) => option(name, name, trigger))),
    select("scenario", lab.scenarios.map(({ name }) => option(name, name, scenario))),
    select("mistake", option("", "none", mistake), lab.mistakes.map((one) => option(one.name, hurts(one), mistake))),
    el("label", {}, "seed ", el("input", { id: `seed-${side}`, type: "number", min: 0, value: seed || 0, onchange: run })),
  ];
}

function drawPresets() {
  const links = PRESETS.map(([name, a, b]) => el("a", { href: `#a=${a}&b=${b}` }, name));
  const of = (trigger, { name, shown_by: scenario }) => {
    const experiment = `lab:${trigger}:${scenario}`;
    return option(`#a=${experiment}::0&b=${experiment}:${name}:0`, `${trigger}, ${name}`);
  };
  const pairs = lab?.mistakes.flatMap((mistake) => mistake.hurts.map((trigger) => of(trigger, mistake)));
  const more = pairs && el("select", { id: "more-pairs", onchange: ({ target }) => { location.hash = target.value; } }, pairs);
  more?.prepend(option("", "choose a mistake", ""));
  const items = more ? [...links, el("label", {}, "Right beside wrong: ", more)] : links;
  $("presets").replaceChildren(...items.map((item) => el("li", {}, item)));
}

function giveOwn(side, text) {
  own[side] = text;
  if (asked[side] === "own") readAddress();
  else if (side === "a") to("own", own.b && asked.b === "own" ? "own" : "");
  else to(asked.a, "own");
}

function watchOwn() {
  const side = () => $("own-side").value;
  $("choose").onsubmit = (event) => event.preventDefault();
  $("own-file").onchange = async ({ target }) => target.files[0] && giveOwn(side(), await target.files[0].text());
  $("own-show").onclick = () => giveOwn(side(), $("own-text").value);
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = async (event) => {
    event.preventDefault();
    const [first, second] = event.dataTransfer.files;
    if (second) own.b = await second.text();
    if (first) giveOwn(second ? "a" : side(), await first.text());
    if (second) to("own", "own");
  };
  document.onpaste = (event) => {
    const text = event.clipboardData.getData("text");
    if (/^\s*\{"record"/.test(text) && event.target !== $("own-text")) giveOwn(side(), text);
  };
}

const live = { stream: null, heading: null, turns: [], seen: 0, dropped: 0, paused: false, timer: null, state: "" };

function connect() {
  if (live.stream) return;
  Object.assign(live, { heading: null, turns: [], seen: 0, dropped: 0, paused: false, state: "connecting" });
  live.stream = new EventSource("loop");
  live.stream.addEventListener("heading", ({ data }) => { live.heading = JSON.parse(data); live.state = "connected"; });
  live.stream.addEventListener("dropped", ({ data }) => { live.dropped += Number(data); });
  live.stream.onmessage = ({ data }) => {
    live.turns.push(JSON.parse(data));
    live.seen += 1;
    if (live.turns.length > 400) live.turns.splice(0, 200);
  };
  live.stream.onerror = () => { live.state = "the stream is broken; trying again"; };
  live.timer = setInterval(drawLive, 500);
  drawLive();
}

function disconnect() {
  live.stream?.close();
  clearInterval(live.timer);
  Object.assign(live, { stream: null, state: "not connected" });
  drawLiveState();
}

function drawLive() {
  const last = live.turns.at(-1);
  drawLiveState();
  if (live.paused || document.hidden || !live.heading || !last || last === live.drawn) return;
  live.drawn = last;
  const { heading, turns } = live;
  view.shown.a = follow({ heading, turns: turns.slice(-Number($("newest").value)), loops: loopsOf(turns) }, true);
  arrange();
  const touched = view.rows.findIndex(({ who, way }) => WAYS[way] && view.shown.a.turns.at(-1).parts.has(who));
  show({ column: view.columns.length - 1, row: Math.max(0, touched), call: null });
}

function drawLiveState() {
  $("connect").textContent = live.stream ? "Stop watching" : "Watch this server";
  $("pause").disabled = !live.stream;
  $("pause").textContent = live.paused ? "Go on" : "Pause";
  const counted = live.stream ? `: ${number(live.seen)} turns came, ${number(live.dropped)} were left out` : "";
  const text = `${live.state}${counted}${live.paused ? "; the picture stands still" : ""}`;
  if ($("stream").textContent !== text) $("stream").textContent = text;
}

function watchLive() {
  $("live").hidden = false;
  $("connect").onclick = () => (live.stream ? disconnect() : to("live", ""));
  $("pause").onclick = () => { live.paused = !live.paused; live.drawn = null; drawLive(); };
}

/** The operators' address has a lab and live turns, and its page at `/`; as a file, it has recordings alone. */
async function findLab() {
  try {
    const answer = location.pathname.endsWith("/") && await fetch("lab", { headers: { Accept: "application/json" } });
    if (answer.ok) lab = await answer.json();
  } catch { lab = null; }
  $("home").hidden = Boolean(lab);
  if (lab) watchLive();
}

async function start() {
  if (matchMedia("(max-width: 44rem)").matches) for (const id of ["sources", "keys"]) $(id).open = false;
  drawLegend();
  watchKeys();
  watchOwn();
  await findLab();
  drawPresets();
  await readAddress();
  window.onhashchange = readAddress;
}

start();
