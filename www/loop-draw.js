// The drawing: the table, the legend, and the words for the place that is looked at. It reads what is shown
// (loop-view.js) and changes nothing but the page.

import {
  WAYS, callAsCode, cellOf, duration, factInWords, lettersOf, number, setInWords, waitInWords, whyOf,
} from "./loop-record.js";
import { cellAt, culpritHere, nameOfGroup, sides, view, waitText, windowOf } from "./loop-view.js";

export const $ = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node[name] = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return node;
}

export const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

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

const WORD_OF = { wait: "wait", accept: "accepting", r: "reading", w: "writing" };

/** Draws all columns of the window. Whether a cell had the focus. */
export function drawTable() {
  const focused = $("table").contains(document.activeElement);
  const scrolled = $("frame").scrollLeft;
  const differing = new Set(view.differences.map(({ column, row }) => `${column} ${row}`));
  const bodies = [];
  const carried = new Map();
  view.rows.forEach((row, at) => {
    if (view.rows[at - 1]?.who !== row.who) bodies.push(el("tbody", {}, WAYS[row.way] && groupHead(row.who)));
    bodies.at(-1).append(drawRow(row, at, differing, carried));
  });
  $("table").setAttribute("aria-colcount", view.columns.length + 1);
  $("table").replaceChildren(el("thead", {}, drawHead()), ...bodies);
  $("frame").scrollLeft = scrolled;
  return focused;
}

function groupHead(who) {
  const [first, last] = windowOf();
  return el("tr", {}, el("th", { class: "group", scope: "rowgroup" }, nameOfGroup(who)),
    el("td", { class: "text", colspan: last - first, "aria-hidden": "true" }));
}

function drawHead() {
  const [first, last] = windowOf();
  const steps = sides().flatMap((side) => view.shown[side].turns.flatMap((turn) => turn.clients));
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
  const turns = sides().map((side) => view.shown[side].turns[view.columns[at][side]]);
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
  const [before, turn] = [view.columns[at - 1], view.columns[at]].map((column) => view.shown.a?.turns[column?.a]);
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
    const { state, closed } = cellOf(view.shown[side], before, who, way);
    if (closed) return;
    if (state) { carried.set(at, state); return; }
  }
}

function drawOne(cell, column, row, isDifferent, carried) {
  const { way, side } = view.rows[row];
  const size = Math.max(1, ...sides().map((one) => view.shown[one].turns[view.columns[column][one]]?.size ?? 0));
  const ended = cell.kind === "gap" && view.columns.slice(0, column).some((one) => view.shown[side].turns[one[side]]?.ended);
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
  const { who, way, side } = view.rows[row];
  const calls = cell.marks.filter((mark) => mark.at !== undefined).map((mark) => callAsCode(cell.turn.facts[mark.at]));
  const bits = cell.bits && Object.keys(cell.bits).filter((bit) => cell.bits[bit]).join(", ");
  const what = cell.kind === "gap" ? "no such turn" : cell.kind === "ended" ? `${waitText(cell.turn)}: ${cell.turn.ended}`
    : way === "wait" ? `${waitText(cell.turn)}: ${waitInWords(cell.turn)}`
    : [cell.fault?.word ?? cell.state ?? (cell.closed ? "closed" : "not touched"), bits, ...calls].filter(Boolean).join("; ");
  const turn = cell.turn && !cell.turn.ended ? `, turn ${cell.turn.turn}` : "";
  return `${WORD_OF[way]} ${who}, run ${side.toUpperCase()}${turn}: ${what}${isDifferent ? "; differs from run A" : ""}`;
}

const BIT_WORDS = {
  wanted: [(way) => `the connection would ${way.verb} now`, (way) => `the connection would not ${way.verb} now`],
  ready: [(way) => `${way.able}: the kernel said so, and no call has taken it back`, (way) => `not known to be ${way.able}`],
  armed: [(way) => `the kernel is asked to announce ${way.name}`, (way) => `the kernel is not asked to announce ${way.name}`],
  queued: [() => "the loop goes on with it in the next turn by itself", () => "the loop does not come back by itself"],
};

export const runSign = (side) => el("span", { class: `run ${side}` }, side.toUpperCase());

export function inspect() {
  const row = view.rows[view.here.row], cell = cellAt(view.here.column, view.here.row);
  const subject = row.way === "wait" ? "the wait" : row.way === "accept" ? row.who : `${WORD_OF[row.way]}, ${nameOfGroup(row.who)}`;
  const turn = cell.turn && (cell.turn.ended ? "after the last turn" : `turn ${cell.turn.turn}`);
  const title = el("h2", { id: "inspector-title" }, runSign(row.side), ` ${turn ?? "no such turn"}: ${subject}`);
  const parts = cell.kind === "gap" ? [el("p", {}, gapInWords(row.side))] : cell.turn.ended ? endInWords(cell, row)
    : [chosenCall, verdictOf, bitTable, beside, turnInWords].flatMap((part) => part(cell, row));
  $("inspector").replaceChildren(title, ...parts.filter(Boolean));
}

function gapInWords(side) {
  const ended = view.columns.slice(0, view.here.column).some((column) => view.shown[side].turns[column[side]]?.ended);
  return `Run ${side.toUpperCase()} has no turn ${ended ? "here: its last wait never ended" : "for this step"}.`;
}

function endInWords({ turn }, { side }) {
  const stalls = turn.ended.startsWith("stall");
  const seen = view.shown[side].fault;
  return [
    el("p", { class: "why bad" }, stalls ? "The loop waits, and nothing that happens will wake it. " : "", el("strong", {}, turn.ended), "."),
    el("p", {}, seen ? `The record shows where it comes from: ${seen[1].text}, in turn ${seen[0].turn}.` : NOT_IN_RECORD),
  ];
}

const NOT_IN_RECORD = "The record alone does not show it: by its bits, somebody would come back. The simulator knows both ends, " +
  "and says what the kernel has not announced and never will.";

/** The call that is chosen, and what the loop knows after it. */
function chosenCall(cell, { way }) {
  const mark = cell.marks.find(({ at }) => at === view.here.call);
  if (!mark || view.here.call === null) return [];
  const fact = cell.turn.facts[view.here.call];
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
  const why = whyOf(view.shown[row.side], cell.index, row.who, row.way);
  const isStuck = cell.state === "stalled" || cell.fault?.word === "work left";
  if (isStuck && cell.left.due_us !== undefined) why.push(`Only its deadline will, in ${duration(cell.left.due_us)}, to end it.`);
  return cell.fault ? el("ul", { class: "why bad" }, why.filter(Boolean).map((one) => el("li", {}, one))) : el("p", { class: "why" }, why.join(" "));
}

function toCulpritButton() {
  const culprit = culpritHere((place) => place);
  const code = culprit && callAsCode(cellAt(culprit.column, culprit.row).turn.facts[culprit.call]);
  return culprit && el("p", {}, el("button", { type: "button", "data-go": "culprit" }, "Go to the call it comes from: ", el("code", {}, code)));
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
  const other = view.rows.findIndex((one) => one.who === row.who && one.way === row.way && one.side !== row.side);
  if (other < 0 || !WAYS[row.way]) return [];
  const cell = cellAt(view.here.column, other);
  const own = mine.bits ? lettersOf(mine.bits) : "";
  const letters = [...(cell.bits ? lettersOf(cell.bits) : "")].map((letter, at) => (own && own[at] !== letter ? el("strong", {}, letter) : letter));
  const state = cell.fault?.word ?? cell.state ?? (cell.kind === "gap" ? "no such turn" : cell.closed ? "closed" : "not touched");
  return [el("p", {}, own && ["In letters: ", el("code", {}, own), "; "], `run ${row.side === "a" ? "B" : "A"} here: `,
    letters.length > 0 && [el("code", {}, letters), ", "], state, ".")];
}

/** Everything in the turn, in its order. */
function turnInWords({ turn }, row) {
  const culprit = culpritHere((place) => (place.column === view.here.column ? place.call : null));
  const isMine = ({ who }) => turn.keyOf(who) === row.who;
  const announced = (event) => el("li", { class: isMine(event) ? "" : "other" },
    `▼ ${event.who}: the kernel announces ${setInWords(event.ready)}${event.end ? ", and an end behind it" : ""}`);
  const item = (fact, at) => {
    const classes = [!isMine(fact) && row.way !== "wait" && "other", at === view.here.call && "picked-call", at === culprit && "culprit"];
    const code = fact.did === "call" && [el("code", {}, callAsCode(fact)), ": "];
    return el("li", { class: classes.filter(Boolean).join(" "), "aria-current": at === view.here.call && "step" },
      isMine(fact) ? "" : `${fact.who ?? ""} `, code, factInWords(fact));
  };
  return [el("h3", {}, "In this turn"), el("ul", {}, turn.clients.length > 0 && el("li", {}, `Before it: ${turn.clients.join(", ")}.`),
    el("li", {}, waitInWords(turn)), turn.events.map(announced)), el("ol", {}, turn.facts.map(item))];
}

export function drawLegend() {
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
