// What is shown of two runs, and where: rows, columns, the window of those that are drawn, and the place in
// them. Nothing here draws.

import { WAYS, align, cellOf, culpritOf, duration, faultOf, signatureOf } from "./loop-record.js";

/** Columns that are drawn at once. */
export const COLUMNS_MAX = 120;

const GROUPS_MAX = 12;

/** Everything that is shown: two runs, their columns and rows, and the place that is looked at. */
export const view = {
  shown: { a: null, b: null }, columns: [], rows: [], differences: [], faults: [],
  here: { column: 0, row: 0, call: null }, from: 0, allGroups: false,
};

export const sides = () => ["a", "b"].filter((side) => view.shown[side]);

/** Everybody in a record by loop, slot and generation; the listener comes last. */
function everybody() {
  const seen = new Map();
  const rank = (who) => [...who.matchAll(/\d+/g)].reduce((sum, [n]) => sum * 10_000 + Number(n), 0);
  for (const side of sides()) {
    for (const { turn, parts } of view.shown[side].turns) {
      for (const [who, part] of parts) {
        const one = seen.get(who) ?? { who, at: who.endsWith("listener") ? Infinity : rank(who), last: 0, bad: false };
        one.last = Math.max(turn, one.last);
        one.bad ||= Boolean(faultOf(view.shown[side].trigger, part.left));
        if (!who.endsWith("waker")) seen.set(who, one);
      }
    }
  }
  return [...seen.values()];
}

/** The groups of rows: of many, those with faults and those that were touched last. */
function groupsOf() {
  const groups = everybody().sort((one, other) => (one.at < other.at ? -1 : Number(one.at > other.at)));
  if (view.allGroups || groups.length <= GROUPS_MAX + 2) return { groups, left: 0 };
  const first = [...groups].sort((one, other) => other.bad - one.bad || other.last - one.last);
  const kept = new Set(first.slice(0, GROUPS_MAX));
  return { groups: groups.filter((group) => kept.has(group)), left: groups.length - GROUPS_MAX };
}

/** What is shown anew: rows, columns, and where the runs differ. How many connections have no row. */
export function arrange() {
  view.columns = align(view.shown.a, view.shown.b);
  const { groups, left } = groupsOf();
  const waysOf = (who) => (who.endsWith("listener") ? ["accept"] : Object.keys(WAYS));
  const each = (who, ways) => ways.flatMap((way) => sides().map((side) => ({ who, way, side })));
  view.rows = [...each("loop", ["wait"]), ...groups.flatMap(({ who }) => each(who, waysOf(who)))];
  [view.differences, view.faults] = [[], []];
  view.columns.forEach((_, column) => view.rows.forEach((row, at) => {
    const place = { column, row: at, call: null }, cell = cellAt(column, at);
    if (cell.fault || (row.way === "wait" && cell.kind === "ended")) view.faults.push(place);
    if (row.side === "b" && view.shown.a && differs(column, at)) view.differences.push(place);
  }));
  return left;
}

export function cellAt(column, row) {
  const { who, way, side } = view.rows[row];
  const index = view.columns[column][side];
  const cell = cellOf(view.shown[side], index, who, way === "accept" ? "r" : way);
  return { ...cell, index, ...(way === "wait" || way === "accept" ? { bits: null, fault: null, state: null } : {}) };
}

/** Whether run B, in this row, differs from run A in the row above. */
function differs(column, row) {
  const [a, b] = [cellAt(column, row - 1), cellAt(column, row)];
  if (a.kind === "gap" || b.kind === "gap") return view.rows[row].way === "wait" && a.kind !== b.kind;
  if (view.rows[row].way !== "wait" && (a.kind === "ended" || b.kind === "ended")) return false;
  if (view.rows[row].way === "wait") return a.kind !== b.kind || Boolean(a.turn && b.turn && waitText(a.turn) !== waitText(b.turn));
  return signatureOf(a) !== signatureOf(b);
}

export function waitText(turn) {
  if (turn.ended) return turn.ended.startsWith("stall") ? "waits for ever" : "given up";
  if (turn.injected) return "interrupted";
  const most = turn.timeout_us === undefined ? "∞" : `≤ ${duration(turn.timeout_us)}`;
  const woke = { ready: "▼", timeout: "time-out", message: "message" }[turn.woke] ?? turn.woke;
  return turn.timeout_us === 0 ? `no wait${turn.woke === "ready" ? " ▼" : ""}` : `${most} ${woke}`;
}

export const windowOf = () => [view.from, Math.min(view.columns.length, view.from + COLUMNS_MAX)];

export const nameOfGroup = (who) => who.replace(/[\d.]+$/, (one) => `${one.includes(".") ? "connection" : "slot"} ${one}`);

/** The call that the fault at this place comes from, as a place. */
export function culpritHere(then) {
  const { who, way, side } = view.rows[view.here.row];
  if (!WAYS[way]) return null;
  const found = view.columns[view.here.column][side] !== null && culpritOf(view.shown[side], view.columns[view.here.column][side], who, way);
  if (!found) return null;
  return then({ column: view.columns.findIndex((column) => column[side] === found.index), row: view.here.row, call: found.at });
}

/** Where to begin: at the first fault, or where the runs first differ. */
export function firstPlace() {
  const connection = Math.max(0, view.rows.findIndex(({ way }) => WAYS[way]));
  const waits = ({ column, row }) => cellAt(column, row).bits?.wanted;
  const acute = ({ column, row }) => cellAt(column, row).bits?.ready;
  const fault = view.faults.find(acute) ?? view.faults.find(({ row }) => WAYS[view.rows[row].way]) ?? view.faults[0];
  return fault ?? view.differences.find(waits) ?? { column: 0, row: connection, call: null };
}

export function placeOf(address) {
  const [, side, turn] = /^([ab]?)(\d+)$/.exec(address.get("turn") ?? "") ?? [];
  if (!turn) return null;
  const on = side || "a";
  const column = view.columns.findIndex((one) => one[on] !== null && view.shown[on]?.turns[one[on]]?.turn === Number(turn));
  const row = view.rows.findIndex((one) => `${one.side}.${one.who}.${one.way}` === address.get("row"));
  const call = address.has("call") ? Number(address.get("call")) : null;
  return column < 0 ? null : { column, row: row < 0 ? firstPlace().row : row, call };
}
