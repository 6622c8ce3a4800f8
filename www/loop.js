// The page: two runs above each other, a place in them, and words for what is there. What is drawn
// comes from a record (loop-record.js) and from nothing else.

import {
  WAYS, align, bitsOf, callAsCode, cellOf, culpritOf, duration, factInWords, faultOf, follow, lettersOf, loopsOf, number, parse,
  setInWords, signatureOf, stateOf, waitInWords, whyOf,
} from "./loop-record.js";

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

const COLUMNS_MAX = 120;
const GROUPS_MAX = 12;

const $ = (id) => document.getElementById(id);
const shown = { a: null, b: null };        // runs
const asked = { a: "slow-edge", b: "slow-level" };
const own = { a: null, b: null };          // texts that a person has given
let lab = null;
let columns = [], rows = [], differences = [], faults = [];
let here = { column: 0, row: 0, call: null };
let from = 0, allGroups = false;

// ---- Elements ----------------------------------------------------------------------------------

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node[name] = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return node;
}
const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// ---- Drawing -----------------------------------------------------------------------------------

const SLOT = 13, BOX = 40, HEIGHT = 40;
const SIGNS = { sleeping: "z", due: "›", resting: "", spinning: "↻", stalled: "!" };

/** The box of one direction: outline, filling, bump and dot; `x` is its left edge. */
function box(x, bits, state) {
  if (!bits.wanted && !bits.ready && !bits.armed && !bits.queued) return svg("circle", { class: "none", cx: x + 14, cy: 20, r: 2.5 });
  return svg("g", { class: state },
    bits.ready && svg("rect", { class: "fill", x: x + 7, y: 13, width: 14, height: 16, rx: 1.5 }),
    svg("rect", { class: bits.wanted ? "box wanted" : "box unwanted", x: x + 3.5, y: 9.5, width: 21, height: 23, rx: 3 }),
    bits.armed && svg("path", { class: "bump", d: `M${x + 8} 9a6 6 0 0 1 12 0z` }),
    bits.queued && svg("circle", { class: "dot", cx: x + 32, cy: 21, r: 4 }),
    svg("text", { class: bits.ready ? "sign on" : "sign", x: x + 14, y: 26 }, SIGNS[state]));
}

/** One mark; `x` is the middle of its place. */
function markOf(kind, x) {
  const line = (d, more = "") => svg("path", { class: `markup line ${more}`, d });
  switch (kind) {
    case "event": return svg("path", { class: "markup event", d: `M${x - 5} 5h10l-5 9z` });
    case "event-end": return svg("g", {}, markOf("event", x), line(`M${x - 5} 17h10`, "event"));
    case "all": return svg("rect", { class: "markup", x: x - 3, y: 9, width: 6, height: 23 });
    case "some": return svg("rect", { class: "markup", x: x - 3, y: 21, width: 6, height: 11 });
    case "again": return line(`M${x - 5} 21h10M${x} 21v11`);
    case "end": return svg("circle", { class: "markup line", cx: x, cy: 26, r: 4.5 });
    case "error": return line(`M${x - 4} 22l8 9m0-9l-8 9`, "cross");
    case "injected": return line(`M${x - 4} 36h8`, "cross");
    case "armed": return svg("path", { class: "markup", d: `M${x} 19l5.5 7-5.5 7-5.5-7z` });
    default: return line(`M${x} 20l4.7 6-4.7 6-4.7-6z`);
  }
}

const picture = (width, ...children) =>
  svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" }, ...children);

function drawCell(cell, size) {
  const at = size * SLOT + 4, width = at + BOX;
  const place = { class: "slot", y: 3, width: SLOT, height: HEIGHT - 6, fill: "none" };
  const marks = cell.marks.map(({ kind, slot, at: call, injected }) => {
    const x = slot * SLOT + 4;
    return [call !== undefined && svg("rect", { ...place, x, "data-call": call }), markOf(kind, x + SLOT / 2), injected && markOf("injected", x + SLOT / 2)];
  });
  return picture(width, ...marks, cell.bits ? box(at, cell.bits, cell.state) : null,
    cell.closed && svg("text", { class: "closed", x: at, y: 25 }, "closed"));
}

// ---- The table ---------------------------------------------------------------------------------

const sides = () => ["a", "b"].filter((side) => shown[side]);
const WORD_OF = { wait: "wait", accept: "accepting", r: "reading", w: "writing" };

/** Everybody in a record by loop, slot and generation; the listener comes last. */
function everybody() {
  const seen = new Map();
  const rank = (who) => [...who.matchAll(/\d+/g)].reduce((sum, [n]) => sum * 10_000 + Number(n), 0);
  for (const side of sides()) {
    for (const { turn, parts } of shown[side].turns) {
      for (const [who, part] of parts) {
        const one = seen.get(who) ?? { who, at: who.endsWith("listener") ? Infinity : rank(who), last: 0, bad: false };
        one.last = Math.max(turn, one.last);
        one.bad ||= Boolean(faultOf(shown[side].trigger, part.left));
        if (!who.endsWith("waker")) seen.set(who, one);
      }
    }
  }
  return [...seen.values()];
}

/** The groups of rows: of many, those with faults and those that were touched last. */
function groupsOf() {
  const groups = everybody().sort((one, other) => (one.at < other.at ? -1 : Number(one.at > other.at)));
  if (allGroups || groups.length <= GROUPS_MAX + 2) return { groups, left: 0 };
  const first = [...groups].sort((one, other) => other.bad - one.bad || other.last - one.last);
  const kept = new Set(first.slice(0, GROUPS_MAX));
  return { groups: groups.filter((group) => kept.has(group)), left: groups.length - GROUPS_MAX };
}

/** What is shown anew: rows, columns, and where the runs differ. */
function arrange() {
  columns = align(shown.a, shown.b);
  const { groups, left } = groupsOf();
  const waysOf = (who) => (who.endsWith("listener") ? ["accept"] : Object.keys(WAYS));
  const each = (who, ways) => ways.flatMap((way) => sides().map((side) => ({ who, way, side })));
  rows = [...each("loop", ["wait"]), ...groups.flatMap(({ who }) => each(who, waysOf(who)))];
  [differences, faults] = [[], []];
  columns.forEach((_, column) => rows.forEach((row, at) => {
    const place = { column, row: at, call: null }, cell = cellAt(column, at);
    if (cell.fault || (row.way === "wait" && cell.kind === "ended")) faults.push(place);
    if (row.side === "b" && shown.a && differs(column, at)) differences.push(place);
  }));
  $("more").hidden = !left;
  const drawAll = () => { allGroups = true; show(); };
  $("more").replaceChildren(`${left} more connections are not drawn. `, el("button", { type: "button", onclick: drawAll }, "Draw all"));
}

function cellAt(column, row) {
  const { who, way, side } = rows[row];
  const index = columns[column][side];
  const cell = cellOf(shown[side], index, who, way === "accept" ? "r" : way);
  return { ...cell, index, ...(way === "wait" || way === "accept" ? { bits: null, fault: null, state: null } : {}) };
}

/** Whether run B, in this row, differs from run A in the row above. */
function differs(column, row) {
  const [a, b] = [cellAt(column, row - 1), cellAt(column, row)];
  if (a.kind === "gap" || b.kind === "gap") return rows[row].way === "wait" && a.kind !== b.kind;
  if (rows[row].way !== "wait" && (a.kind === "ended" || b.kind === "ended")) return false;
  if (rows[row].way === "wait") return a.kind !== b.kind || Boolean(a.turn && b.turn && waitText(a.turn) !== waitText(b.turn));
  return signatureOf(a) !== signatureOf(b);
}

function waitText(turn) {
  if (turn.ended) return turn.ended.startsWith("stall") ? "waits for ever" : "given up";
  const most = turn.timeout_us === undefined ? "∞" : `≤ ${duration(turn.timeout_us)}`;
  const woke = { ready: "▼", timeout: "time-out", message: "message" }[turn.woke] ?? turn.woke;
  return turn.timeout_us === 0 ? `no wait${turn.woke === "ready" ? " ▼" : ""}` : `${most} ${woke}`;
}

const windowOf = () => [from, Math.min(columns.length, from + COLUMNS_MAX)];

function drawTable() {
  const focused = $("table").contains(document.activeElement);
  const scrolled = $("frame").scrollLeft;
  const differing = new Set(differences.map(({ column, row }) => `${column} ${row}`));
  const bodies = [];
  const carried = new Map();
  rows.forEach((row, at) => {
    if (rows[at - 1]?.who !== row.who) bodies.push(el("tbody", {}, WAYS[row.way] && groupHead(row.who)));
    bodies.at(-1).append(drawRow(row, at, differing, carried));
  });
  $("table").setAttribute("aria-colcount", columns.length + 1);
  $("table").replaceChildren(el("thead", {}, drawHead()), ...bodies);
  $("frame").scrollLeft = scrolled;
  choose(here, focused);
}

const nameOfGroup = (who) => who.replace(/[\d.]+$/, (one) => `${one.includes(".") ? "connection" : "slot"} ${one}`);

function groupHead(who) {
  const [first, last] = windowOf();
  return el("tr", {}, el("th", { class: "group", scope: "rowgroup" }, nameOfGroup(who)),
    el("td", { class: "text", colspan: last - first, "aria-hidden": "true" }));
}

function drawHead() {
  const [first, last] = windowOf();
  const steps = sides().flatMap((side) => shown[side].turns.flatMap((turn) => turn.clients));
  const isAlone = steps.every((step) => !/^client [1-9]/.test(step));
  const heads = [];
  for (let at = first; at < last; at += 1) heads.push(drawColumnHead(at, isAlone));
  return el("tr", {}, el("th", { scope: "col" }, steps.length > 0 && el("span", { class: "step" }, isAlone ? "the client" : "client"),
    el("span", { class: "turn" }, "turn")), heads);
}

/** What the clients did before a turn; a step that one of two runs does not have names the run that has it. */
function stepsBefore(turns, isAlone) {
  const areBoth = turns.length === 2 && turns.every((turn) => turn && !turn.ended);
  const whose = (step) => (!areBoth ? "" : !turns[0].clients.includes(step) ? " (B)" : !turns[1].clients.includes(step) ? " (A)" : "");
  const steps = new Set(turns.flatMap((turn) => turn?.clients ?? []));
  return [...steps].map((step) => step.replace(/^client (\d+) /, isAlone ? "" : "$1: ") + whose(step));
}

/** What the clients did before a turn, and its number in each run. */
function drawColumnHead(at, isAlone) {
  const turns = sides().map((side) => shown[side].turns[columns[at][side]]);
  const names = turns.map((turn, i) => `${sides()[i].toUpperCase()} ${!turn ? "–" : turn.ended ? "end" : turn.turn}`);
  const same = turns.every((turn) => turn && !turn.ended && turn.turn === turns[0].turn);
  const missing = missingBefore(at), loop = turns.find((turn) => turn?.keyOf)?.keyOf("");
  return el("th", { scope: "col", "data-column": at, "aria-colindex": at + 2 },
    missing > 0 && el("span", { class: "step" }, `(${number(missing)} left out)`),
    loop && el("span", { class: "step" }, loop.replace(", ", "")), stepsBefore(turns, isAlone).map((step) => el("span", { class: "step" }, step)),
    el("span", { class: "turn" }, same ? `turn ${turns[0].turn}` : names.join(" · ")));
}

/** How many turns of run A were not told, of a loop that was too fast. */
function missingBefore(at) {
  const [before, turn] = [columns[at - 1], columns[at]].map((column) => shown.a?.turns[column?.a]);
  return before && turn && !turn.ended && before.loop === turn.loop ? turn.turn - before.turn - 1 : 0;
}

function drawRow(row, at, differing, carried) {
  const [first, last] = windowOf();
  const cells = [];
  for (let column = first; column < last; column += 1) {
    const cell = cellAt(column, at);
    if (cell.part?.closed) carried.delete(at);
    else if (cell.state) carried.set(at, cell.fault ? "stalled" : cell.state);
    else if (!carried.has(at) && column === first) startOf(row, cell.index, at, carried);
    cells.push(drawOne(cell, column, at, differing.has(`${column} ${at}`), carried.get(at)));
  }
  const name = el("th", { scope: "row" }, `${WORD_OF[row.way]} `, el("span", { class: "run" }, row.side.toUpperCase()));
  return el("tr", { class: row.side }, name, cells);
}

/** A connection may have been left before the columns that are drawn. */
function startOf({ who, way, side }, index, at, carried) {
  for (let before = (index ?? 0) - 1; before >= 0; before -= 1) {
    const { state, closed } = cellOf(shown[side], before, who, way);
    if (closed) return;
    if (state) { carried.set(at, state); return; }
  }
}

function drawOne(cell, column, row, isDifferent, carried) {
  const { way, side } = rows[row];
  const size = Math.max(1, ...sides().map((one) => shown[one].turns[columns[column][one]]?.size ?? 0));
  const ended = cell.kind === "gap" && columns.slice(0, column).some((one) => shown[side].turns[one[side]]?.ended);
  const stuck = (ended || cell.kind === "ended") && carried === "stalled";
  const isEnd = way === "wait" && cell.kind === "ended";
  const isGap = cell.kind === "gap" && !stuck;
  const classes = [way === "wait" && "text", isGap && "gap", (cell.fault || isEnd) && "fault", stuck && "after-fault", isDifferent && "differs"];
  const drawn = () => [drawCell(cell, size), !cell.part && carried && el("span", { class: `hold ${carried}` }),
    cell.fault && el("span", { class: `word ${cell.fault.word}` }, cell.fault.word)];
  const content = way === "wait" ? cell.turn && waitText(cell.turn) : isGap ? null : drawn();
  return el("td", { class: classes.filter(Boolean).join(" "), role: "gridcell", tabindex: -1, "data-column": column, "data-row": row,
    "aria-colindex": column + 2, "aria-label": nameOf(cell, row, isDifferent) }, content);
}

/** What a reader without sight hears of a cell. */
function nameOf(cell, row, isDifferent) {
  const { who, way, side } = rows[row];
  const calls = cell.marks.filter((mark) => mark.at !== undefined).map((mark) => callAsCode(cell.turn.facts[mark.at]));
  const bits = cell.bits && Object.keys(cell.bits).filter((bit) => cell.bits[bit]).join(", ");
  const what = cell.kind === "gap" ? "no such turn" : cell.kind === "ended" ? `${waitText(cell.turn)}: ${cell.turn.ended}`
    : way === "wait" ? `${waitText(cell.turn)}: ${waitInWords(cell.turn)}`
    : [cell.fault?.word ?? cell.state ?? (cell.closed ? "closed" : "not touched"), bits, ...calls].filter(Boolean).join("; ");
  const turn = cell.turn && !cell.turn.ended ? `, turn ${cell.turn.turn}` : "";
  return `${WORD_OF[way]} ${who}, run ${side.toUpperCase()}${turn}: ${what}${isDifferent ? "; differs from run A" : ""}`;
}

// ---- The place and the keys --------------------------------------------------------------------

const tableCell = ({ column, row }) => $("table").querySelector(`td[data-column="${column}"][data-row="${row}"]`);

function choose(place, focus = true) {
  here = { ...place, column: clamp(place.column, columns.length), row: clamp(place.row, rows.length) };
  if (!columns.length) return;
  if (here.column < from || here.column >= from + COLUMNS_MAX) {
    from = Math.max(0, Math.min(here.column - COLUMNS_MAX / 2, columns.length - COLUMNS_MAX));
    drawTable();
  }
  for (const node of $("table").querySelectorAll(".here, .chosen, .picked")) {
    if (node.classList.contains("picked")) node.classList.remove("picked");
    node.classList.remove("here", "chosen");
    if (node.tabIndex === 0) node.tabIndex = -1;
  }
  for (const node of $("table").querySelectorAll(`[data-column="${here.column}"]`)) node.classList.add("here");
  const cell = tableCell(here);
  cell.classList.add("chosen");
  cell.tabIndex = 0;
  pick(cell, here.call);
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

/** The call that the fault at this place comes from, as a place. */
function culpritHere(then) {
  const { who, way, side } = rows[here.row];
  if (!WAYS[way]) return null;
  const found = columns[here.column][side] !== null && culpritOf(shown[side], columns[here.column][side], who, way);
  if (!found) return null;
  return then({ column: columns.findIndex((column) => column[side] === found.index), row: here.row, call: found.at });
}

function go(place, said = "") {
  if (live.stream) live.paused = true;
  choose(place);
  $("say").textContent = said;
}

function stepCall(by) {
  const calls = columns.flatMap((_, column) => cellAt(column, here.row).marks
    .filter(({ at }) => at !== undefined).map(({ at }) => ({ column, row: here.row, call: at })));
  const order = ({ column, call }) => column * 10_000 + (call ?? (by > 0 ? -1 : 9_999));
  const next = by > 0 ? calls.find((one) => order(one) > order(here)) : calls.findLast((one) => order(one) < order(here));
  if (!next) return go(here, "no more calls in this row");
  const fact = cellAt(next.column, next.row).turn.facts[next.call];
  return go(next, `${callAsCode(fact)}: ${factInWords(fact)}`);
}

function stepTo(list, by, word) {
  const order = ({ column, row }) => column * 10_000 + row;
  const next = by > 0 ? list.find((one) => order(one) > order(here)) : list.findLast((one) => order(one) < order(here));
  return next ? go(next) : go(here, list.length ? `no more ${word}` : `no ${word}`);
}

const toCulprit = () => culpritHere((place) => go(place, "the call that it comes from"));

const move = (right, down) => () => go({ column: here.column + right, row: here.row + down, call: null });

const KEYS = {
  ArrowRight: move(1, 0), ArrowLeft: move(-1, 0), ArrowDown: move(0, 1), ArrowUp: move(0, -1), Home: move(-Infinity, 0), End: move(Infinity, 0),
  n: () => stepCall(1), p: () => stepCall(-1),
  d: () => stepTo(differences, 1, "differences"), D: () => stepTo(differences, -1, "differences"),
  f: () => stepTo(faults, 1, "faults"), F: () => stepTo(faults, -1, "faults"), Enter: toCulprit,
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
  $("steps").replaceChildren(...BUTTONS.map(([name, key]) => el("button", { type: "button", onclick: () => { KEYS[key](); } }, name)));
}

// ---- The inspector -----------------------------------------------------------------------------

const BIT_WORDS = {
  wanted: [(way) => `the connection would ${way.verb} now`, (way) => `the connection would not ${way.verb} now`],
  ready: [(way) => `${way.able}: the kernel said so, and no call has taken it back`, (way) => `not known to be ${way.able}`],
  armed: [(way) => `the kernel is asked to announce ${way.name}`, (way) => `the kernel is not asked to announce ${way.name}`],
  queued: [() => "the loop goes on with it in the next turn by itself", () => "the loop does not come back by itself"],
};

const runSign = (side) => el("span", { class: `run ${side}` }, side.toUpperCase());

function inspect() {
  const row = rows[here.row], cell = cellAt(here.column, here.row);
  const subject = row.way === "wait" ? "the wait" : row.way === "accept" ? row.who : `${WORD_OF[row.way]}, ${nameOfGroup(row.who)}`;
  const turn = cell.turn && (cell.turn.ended ? "after the last turn" : `turn ${cell.turn.turn}`);
  const title = el("h2", { id: "inspector-title" }, runSign(row.side), ` ${turn ?? "no such turn"}: ${subject}`);
  const parts = cell.kind === "gap" ? [el("p", {}, gapInWords(row.side))] : cell.turn.ended ? endInWords(cell, row)
    : [chosenCall, verdictOf, bitTable, beside, turnInWords].flatMap((part) => part(cell, row));
  $("inspector").replaceChildren(title, ...parts.filter(Boolean));
}

function gapInWords(side) {
  const ended = columns.slice(0, here.column).some((column) => shown[side].turns[column[side]]?.ended);
  return `Run ${side.toUpperCase()} has no turn ${ended ? "here: its last wait never ended" : "for this step"}.`;
}

function endInWords({ turn }, { side }) {
  const stalls = turn.ended.startsWith("stall");
  const seen = shown[side].fault;
  return [
    el("p", { class: "why bad" }, stalls ? "The loop waits, and nothing that happens will wake it. " : "", el("strong", {}, turn.ended), "."),
    el("p", {}, seen ? `The record shows where it comes from: ${seen[1].text}, in turn ${seen[0].turn}.` : NOT_IN_RECORD),
  ];
}

const NOT_IN_RECORD = "The record alone does not show it: by its bits, somebody would come back. The simulator knows both ends, " +
  "and says what the kernel has not announced and never will.";

/** The call that is chosen, and what the loop knows after it. */
function chosenCall(cell, { way }) {
  const mark = cell.marks.find(({ at }) => at === here.call);
  if (!mark || here.call === null) return [];
  const fact = cell.turn.facts[here.call];
  const after = WAYS[way] && ` After it, ${WAYS[way].name} is ${mark.ready ? "ready" : "not ready"}.`;
  return [el("p", { class: "call" }, el("code", {}, callAsCode(fact)), `: ${factInWords(fact)}.`, after)];
}

/** The state, and why somebody comes back or nobody does. */
function verdictOf(cell, row) {
  if (!cell.state) {
    const untouched = cell.kind === "untouched" && row.way !== "wait" ? "This turn did not touch it." : "";
    return [el("p", {}, cell.closed ? `The connection is ${factInWords(cell.closed)}.` : untouched)];
  }
  const { fault } = cell;
  const chip = el("span", { class: `chip ${cell.state}` }, `${SIGNS[cell.state]} ${cell.state}`);
  const more = fault && fault.word !== cell.state && [" and ", el("span", { class: "chip bad-box" }, fault.word)];
  return [el("p", {}, "Left as ", chip, more), reasons(cell, row), toCulpritButton()];
}

function reasons(cell, row) {
  const why = whyOf(shown[row.side], cell.index, row.who, row.way);
  const isStuck = cell.state === "stalled" || cell.fault?.word === "work left";
  if (isStuck && cell.left.due_us !== undefined) why.push(`Only its deadline will, in ${duration(cell.left.due_us)}, to end it.`);
  return cell.fault ? el("ul", { class: "why bad" }, why.filter(Boolean).map((one) => el("li", {}, one))) : el("p", { class: "why" }, why.join(" "));
}

function toCulpritButton() {
  const culprit = culpritHere((place) => place);
  const code = culprit && callAsCode(cellAt(culprit.column, culprit.row).turn.facts[culprit.call]);
  return culprit && el("p", {}, el("button", { type: "button", onclick: toCulprit }, "Go to the call it comes from: ", el("code", {}, code)));
}

function bitTable(cell, row) {
  if (!cell.bits) return [];
  const line = (bit) => {
    const is = cell.bits[bit], changed = cell.before && cell.before[bit] !== is;
    const words = `${is ? "yes" : "no"}${changed ? ` (was ${is ? "no" : "yes"})` : ""}: ${BIT_WORDS[bit][is ? 0 : 1](WAYS[row.way])}`;
    return el("tr", {}, el("th", { scope: "row" }, bit), el("td", {}, changed ? el("strong", {}, words) : words));
  };
  const { phase, inbox, outbox, due_us: due } = cell.left;
  const deadline = due === undefined ? "" : `; deadline in ${duration(due)}`;
  return [el("table", { class: "bits" }, el("tbody", {}, Object.keys(BIT_WORDS).map(line))),
    el("p", {}, `Phase ${phase}; ${number(inbox)} bytes read and not used, ${number(outbox)} encoded and not sent${deadline}.`)];
}

/** The same place in the other run, with what differs in bold. */
function beside(mine, row) {
  const other = rows.findIndex((one) => one.who === row.who && one.way === row.way && one.side !== row.side);
  if (other < 0 || !WAYS[row.way]) return [];
  const cell = cellAt(here.column, other);
  const own = mine.bits ? lettersOf(mine.bits) : "";
  const letters = [...(cell.bits ? lettersOf(cell.bits) : "")].map((letter, at) => (own && own[at] !== letter ? el("strong", {}, letter) : letter));
  const state = cell.fault?.word ?? cell.state ?? (cell.kind === "gap" ? "no such turn" : cell.closed ? "closed" : "not touched");
  return [el("p", {}, own && ["In letters: ", el("code", {}, own), "; "], `run ${row.side === "a" ? "B" : "A"} here: `,
    letters.length > 0 && [el("code", {}, letters), ", "], state, ".")];
}

/** Everything in the turn, in its order. */
function turnInWords({ turn }, row) {
  const culprit = culpritHere((place) => (place.column === here.column ? place.call : null));
  const isMine = ({ who }) => turn.keyOf(who) === row.who;
  const announced = (event) => el("li", { class: isMine(event) ? "" : "other" },
    `▼ ${event.who}: the kernel announces ${setInWords(event.ready)}${event.end ? ", and an end behind it" : ""}`);
  const item = (fact, at) => {
    const classes = [!isMine(fact) && row.way !== "wait" && "other", at === here.call && "picked-call", at === culprit && "culprit"];
    const code = fact.did === "call" && [el("code", {}, callAsCode(fact)), ": "];
    return el("li", { class: classes.filter(Boolean).join(" "), "aria-current": at === here.call && "step" },
      isMine(fact) ? "" : `${fact.who ?? ""} `, code, factInWords(fact));
  };
  return [el("h3", {}, "In this turn"), el("ul", {}, turn.clients.length > 0 && el("li", {}, `Before it: ${turn.clients.join(", ")}.`),
    el("li", {}, waitInWords(turn)), turn.events.map(announced)), el("ol", {}, turn.facts.map(item))];
}

// ---- What is shown, and the address ------------------------------------------------------------

function show(place) {
  arrange();
  drawVerdicts();
  if (place || !columns.length) here = place ?? { column: 0, row: 0, call: null };
  if (columns.length) drawTable();
  else { $("table").replaceChildren(); $("inspector").replaceChildren(el("h2", { id: "inspector-title" }, "No turn is chosen")); }
  for (const link of $("presets").querySelectorAll("a")) {
    const is = link.hash === `#a=${asked.a}&b=${asked.b}`;
    if (is) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  }
  const pairs = [...($("more-pairs")?.options ?? [])];
  (pairs.find(({ value }) => value === `#a=${asked.a}&b=${asked.b}`) ?? pairs[0] ?? {}).selected = true;
}

function drawVerdicts() {
  const titleOf = ({ title, backend, trigger }) => (title ? `: ${title}. ` : backend === trigger ? ". " : `, ${backend}. `);
  $("verdicts").replaceChildren(...sides().map((side) => {
    const { heading, trigger, fault } = shown[side];
    const verdict = heading.verdict ?? (fault ? `${fault[1].text}, in turn ${fault[0].turn}` : null);
    const parts = asked[side].split(":");
    const key = parts[0] === "lab" ? `${parts[2]}-${parts[1]}${parts[3] ? `-${parts[3]}` : ""}` : asked[side];
    const title = side === "b" && shown.a ? unlike(titleOf(heading), shown.a.heading.title) : titleOf(heading);
    return el("p", { class: verdict ? "bad" : "" }, runSign(side), el("span", { class: "name" }, ` ${trigger}`), title,
      el("strong", {}, verdict ? `Verdict: ${verdict}.` : "Nothing wrong: somebody comes back to all that is wanted."),
      LOOK[key] && el("span", { class: "look" }, LOOK[key]));
  }));
}

/** The title of run B without what the title of run A has said above it. */
const unlike = (title, above) => (above && title.startsWith(`: ${above}`) ? title.slice(above.length + 2).replace(/^;/, ":") : title);

/** Where to begin: at the first fault, or where the runs first differ. */
function firstPlace() {
  const connection = Math.max(0, rows.findIndex(({ way }) => WAYS[way]));
  const waits = ({ column, row }) => cellAt(column, row).bits?.wanted;
  const acute = ({ column, row }) => cellAt(column, row).bits?.ready;
  const fault = faults.find(acute) ?? faults.find(({ row }) => WAYS[rows[row].way]) ?? faults[0];
  return fault ?? differences.find(waits) ?? { column: 0, row: connection, call: null };
}

function writeAddress() {
  if (asked.a === "live") return;
  const row = rows[here.row], index = columns[here.column][row.side];
  const side = index === null ? (row.side === "a" ? "b" : "a") : row.side;
  const turn = shown[side].turns[columns[here.column][side]].turn;
  const call = here.call === null ? "" : `&call=${here.call}`;
  const hash = `#a=${asked.a}&b=${asked.b}&turn=${side}${turn}&row=${row.side}.${encodeURIComponent(row.who)}.${row.way}${call}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

function placeOf(address) {
  const [, side, turn] = /^([ab]?)(\d+)$/.exec(address.get("turn") ?? "") ?? [];
  if (!turn) return null;
  const on = side || "a";
  const column = columns.findIndex((one) => one[on] !== null && shown[on]?.turns[one[on]]?.turn === Number(turn));
  const row = rows.findIndex((one) => `${one.side}.${one.who}.${one.way}` === address.get("row"));
  const call = address.has("call") ? Number(address.get("call")) : null;
  return column < 0 ? null : { column, row: row < 0 ? firstPlace().row : row, call };
}

async function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  const wanted = { a: address.get("a") ?? asked.a, b: address.get("b") ?? (address.has("a") ? "" : asked.b) };
  trouble("");
  await Promise.all(["a", "b"].map((side) => load(side, wanted[side])));
  drawSides();
  show();
  if (columns.length) choose(placeOf(address) ?? firstPlace(), false);
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text;
}

// ---- Sources -----------------------------------------------------------------------------------

async function load(side, source) {
  asked[side] = source;
  shown[side] = null;
  if (source !== "live" && side === "a") disconnect();
  if (!source || source === "live") return source === "live" ? connect() : null;
  try {
    const [kind, trigger, scenario, mistake, seed] = source.split(":");
    if (kind === "own" && !own[side]) throw new Error("a record of one's own is not kept: give it again");
    const query = `lab?${new URLSearchParams({ trigger, scenario, mistake: mistake ?? "", seed: seed || "0" })}`;
    const text = kind === "own" ? own[side] : await fetched(kind === "lab" ? query : `records/${encodeURIComponent(source)}.jsonl`);
    // Something else may have been asked for in the meantime.
    if (asked[side] === source) shown[side] = follow(parse(text));
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

// ---- Live --------------------------------------------------------------------------------------

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
  shown.a = follow({ heading, turns: turns.slice(-Number($("newest").value)), loops: loopsOf(turns) }, true);
  arrange();
  const touched = rows.findIndex(({ who, way }) => WAYS[way] && shown.a.turns.at(-1).parts.has(who));
  show({ column: columns.length - 1, row: Math.max(0, touched), call: null });
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

// ---- The legend, and the beginning -------------------------------------------------------------

function drawLegend() {
  const none = { wanted: false, ready: false, armed: false, queued: false };
  const bits = [
    ["wanted", "outline: the connection would use it now"], ["ready", "filling: the kernel said that it can, and no call has met EAGAIN since"],
    ["armed", "bump on top: the kernel is asked to announce it"], ["queued", "dot: the loop goes on with it in the next turn by itself"],
  ].map(([bit, words]) => [box(0, { ...none, [bit]: true }, "resting"), bit, words]);
  const states = [
    ["sleeping", { wanted: true, armed: true }, "wanted, not ready, armed: the kernel will wake it"],
    ["due", { wanted: true, ready: true, armed: true, queued: true }, "wanted: the queue comes back at once, or, at level, the next wait"],
    ["resting", { ready: true, armed: true }, "not wanted, and no wait ends because of it"],
    ["spinning", { ready: true, armed: true }, "at level: not wanted, but armed; each wait ends at once, for nothing"],
    ["stalled", { wanted: true, ready: true, armed: true }, "wanted, and nobody will ever come back"],
  ].map(([state, is, words]) => [box(0, { ...none, ...is }, state), state, words]);
  const calls = [
    ["event", "the kernel announces; with a line below: an end may be behind it"], ["all", "all the bytes that were asked for or offered: there may be more"],
    ["some", "fewer: the socket is empty, or full"], ["again", "EAGAIN: nothing can be done now"], ["end", "0 bytes: the client sends no more"],
    ["error", "another error"], ["injected", "below a call: it did not come to this by itself, but by --inject"], ["armed", "epoll_ctl: filled where it asks for this direction, hollow where it does not"],
  ].map(([kind, words]) => [markOf(kind, 14), "", words]);
  const fillIn = (id, list) => $(id).replaceChildren(...list.flatMap(([drawn, word, words]) => [
    el("dt", {}, picture(BOX, drawn)), el("dd", {}, word && el("strong", {}, `${word}: `), words)]));
  fillIn("legend-bits", bits);
  fillIn("legend-states", states);
  fillIn("legend-calls", calls);
}

/** The operators' address has a lab and live turns; a server of files has recordings alone. */
async function findLab() {
  try {
    const answer = await fetch("lab", { headers: { Accept: "application/json" } });
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
