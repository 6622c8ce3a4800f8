// A record as data: read, followed call by call, aligned with another one, and told in words.
// Its form is documented in src/driver/record/mod.rs; the states are those of state.rs beside it.

const VERSION = 1;

/** The directions of a connection: the letter in a record, the name of its row, and what becomes possible. */
export const WAYS = {
  r: { name: "reading", verb: "read", able: "readable", when: "bytes or the end arrive", while: "something is there to read" },
  w: { name: "writing", verb: "write", able: "writable", when: "there is room to send", while: "there is room to send" },
};

const WAY_OF = {
  read: "r", layer_read: "r", write: "w", layer_write: "w", sendfile: "w", shutdown: "w",
};

/**
 * Reads lines of JSON; the first is the heading. Throws what a person can act on. A line that breaks off before
 * a remark, or at the end, because the disk was full, is left out: `torn` is its number.
 */
export function parse(text) {
  const lines = text.split("\n").map((line, at) => [line.trim(), at + 1]).filter(([line]) => line);
  let torn = null;
  const [heading, ...turns] = lines.flatMap(([line, number], at) => {
    if (line.startsWith("#")) return [];
    try { return [JSON.parse(line)]; } catch {
      if (at === 0 || !(lines[at + 1]?.[0] ?? "#").startsWith("#")) throw new Error(`line ${number} is not JSON`);
      torn = number;
      return [];
    }
  });
  if (!heading?.record) throw new Error("the first line is not the heading of a record");
  if (heading.record > VERSION) throw new Error(`a record of version ${heading.record}; this page knows ${VERSION}`);
  const wrong = turns.find((turn) => !turn?.turn || !Array.isArray(turn.facts) || !Array.isArray(turn.events));
  if (wrong) throw new Error("not every line after the first is a turn");
  return { heading, turns, torn };
}

/**
 * What follows from a record, turn by turn: `parts` holds what each turn did to whom. A row may be
 * of a connection, or of a slot with all connections that have it one after the other.
 */
export function follow({ heading, turns, loops = loopsOf(turns) }, bySlot = false) {
  const known = new Map();
  const keyIn = ({ loop }) => (who = "") => `${loops > 1 ? `loop ${loop ?? 0}, ` : ""}${bySlot ? who.replace(/\.\d+$/, "") : who}`;
  const followed = turns.map((turn) => followTurn(turn, keyIn(turn), known));
  const run = { heading, trigger: heading.trigger, turns: followed };
  if (heading.verdict) followed.push(theEnd(run));
  const faults = followed.flatMap((turn) => [...turn.parts.values()].map((part) => [turn, faultOf(run.trigger, part.left)]));
  run.fault = faults.find(([, fault]) => fault);
  return run;
}

/** How many loops have told of their turns. */
export const loopsOf = (turns) => new Set(turns.map(({ loop }) => loop ?? 0)).size;

/** What comes after the last turn of a run that went wrong: a wait that does not end. */
function theEnd({ heading, turns }) {
  const turn = (turns.at(-1)?.turn ?? 0) + 1;
  return { turn, clients: [], events: [], facts: [], parts: new Map(), size: 0, ended: heading.verdict };
}

function followTurn(turn, keyOf, known) {
  const parts = new Map();
  const part = (who) => {
    const key = keyOf(who);
    if (!parts.has(key)) {
      const { left, ready, end } = known.get(key) ?? {};
      parts.set(key, { before: left, left: undefined, ready: { r: false, w: false, ...ready }, end, marks: [] });
    }
    return parts.get(key);
  };
  turn.events.forEach((event) => announce(part(event.who), event));
  turn.facts.forEach((fact, at) => fact.who && happen(part(fact.who), fact, at));
  for (const [key, { left, ready, end, closed }] of parts) {
    if (closed) known.delete(key);
    else known.set(key, { left: left ?? known.get(key)?.left, ready: left ? told(left) : ready, end });
  }
  const size = placeMarks(turn, parts);
  return { clients: [], ...turn, parts, size, keyOf };
}

const told = ({ ready }) => ({ r: ready.includes("r"), w: ready.includes("w") });

function announce(part, event) {
  part.end ||= event.end;
  for (const way of event.ready) {
    part.ready[way] = true;
    part.marks.push({ way, kind: event.end && way === "r" ? "event-end" : "event" });
  }
}

/** One fact: what it says of its connection, and what is drawn for it. */
function happen(part, fact, at) {
  // A slot may be taken again in the turn in which it became free.
  const fresh = { ready: { r: false, w: true }, end: false, before: undefined, left: undefined, closed: undefined };
  if (fact.did === "accepted") Object.assign(part, fresh);
  if (fact.did === "looked") for (const way of fact.ready) part.ready[way] = true;
  if (fact.did === "settled") part.left = fact;
  if (fact.did === "closed") part.closed = fact;
  if (fact.did !== "call") return;
  called(part, fact);
  const ways = fact.who === "listener" ? "r" : WAY_OF[fact.call] ?? "rw";
  for (const way of ways) part.marks.push({ way, kind: kindOf(fact, way), at, ready: part.ready[way], injected: fact.injected });
}

/** What a call tells of its socket: as src/driver/record/check.rs has it. */
function called(part, { call, asked, got, error, held }) {
  const way = WAY_OF[call];
  if (error === "EAGAIN" && way) part.ready[way] = false;
  if (error || got === undefined) return;
  if (call === "read" && !held) part.ready.r = got > 0 && (got === asked || Boolean(part.end));
  if (call === "write") part.ready.w = got >= asked;
}

function kindOf({ call, asked, got, error, armed }, way) {
  if (error === "EAGAIN") return "again";
  if (error) return "error";
  if (call === "interest") return armed?.includes(way) ? "armed" : "disarmed";
  if (call === "read" && got === 0) return "end";
  return got !== undefined && got < asked ? "some" : "all";
}

const SLOTS_MAX = 24;

/** Gives each mark its place in the column: in the order of the turn, or of the connection where a turn is long. */
function placeMarks(turn, parts) {
  const first = turn.events.length > 0 ? 1 : 0;
  const calls = turn.facts.flatMap((fact, at) => (fact.did === "call" ? [at] : []));
  const order = (of) => new Map(of.map((at, place) => [at, first + place]));
  const ofTurn = calls.length <= SLOTS_MAX ? order(calls) : null;
  let size = first;
  for (const part of parts.values()) {
    const own = ofTurn ?? order([...new Set(part.marks.flatMap((mark) => mark.at ?? []))]);
    for (const mark of part.marks) {
      mark.slot = mark.at === undefined ? 0 : Math.min(own.get(mark.at), SLOTS_MAX);
      size = Math.max(size, mark.slot + 1);
    }
  }
  return size;
}

/** The four bits of a direction. */
export function bitsOf(left, way) {
  const has = (set) => Boolean(left?.[set]?.includes(way));
  return { wanted: has("wanted"), ready: has("ready"), armed: has("armed"), queued: Boolean(left?.queued) };
}

/** The four letters that a record printed as text has. */
export function lettersOf(bits) {
  return [[bits.wanted, "W"], [bits.ready, "R"], [bits.armed, "A"], [bits.queued, "Q"]]
    .map(([is, letter]) => (is ? letter : ".")).join("");
}

/** Who comes back to a direction, and whether anybody should: `DirectionState::of`. */
export function stateOf(trigger, { wanted, ready, armed, queued }) {
  if (!wanted) return armed && trigger === "level" ? "spinning" : "resting";
  if (queued) return "due";
  if (armed && !ready) return "sleeping";
  return armed && trigger === "level" ? "due" : "stalled";
}

/** What in it never should be: `SettledRecord::fault`, with the directions in which it shows. */
export function faultOf(trigger, left) {
  if (!left) return null;
  const ways = Object.keys(WAYS);
  const having = (name) => ways.filter((way) => stateOf(trigger, bitsOf(left, way)) === name);
  const unused = ways.filter((way) => left.ready.includes(way) && !left.wanted.includes(way));
  if (left.forgotten && trigger === "edge") {
    return { word: "forgotten", text: "stall, what was announced is forgotten", ways: unused };
  }
  if (left.work && !left.queued) return { word: "work left", text: "stall, with work", ways: ["r"] };
  if (having("stalled").length) {
    return { word: "stalled", text: "stall, what is wanted is not announced", ways: having("stalled") };
  }
  if (having("spinning").length) {
    return { word: "spinning", text: "spin, what is not wanted is announced", ways: having("spinning") };
  }
  const useful = left.work || ways.some((way) => left.wanted.includes(way) && left.ready.includes(way));
  return left.queued && !useful ? { word: "idle turn", text: "spin, with nothing to do", ways } : null;
}

/** One direction in one turn, as it is drawn and told. `was` is the part in which it was left last. */
export function cellOf(run, index, who, way) {
  const turn = run?.turns[index];
  if (!turn) return { kind: "gap", marks: [] };
  const part = turn.parts.get(who);
  const left = part?.left;
  const bits = left && bitsOf(left, way);
  const fault = faultOf(run.trigger, left);
  return {
    kind: turn.ended ? "ended" : part ? "part" : "untouched", turn, part, left, bits,
    state: bits && stateOf(run.trigger, bits), fault: fault?.ways.includes(way) ? fault : null,
    before: part?.before && bitsOf(part.before, way),
    marks: part?.marks.filter((mark) => mark.way === way) ?? [], closed: part?.closed,
  };
}

/** The call that a fault leads to: the last one that could have ended otherwise. */
export function culpritOf(run, index, who, way) {
  const { bits, fault, state } = cellOf(run, index, who, way);
  if (!fault || fault.word === "idle turn") return null;
  const notAsked = state === "spinning" || (state === "stalled" && !bits.armed);
  for (let at = index; at >= 0; at -= 1) {
    const marks = run.turns[at].parts.get(who)?.marks ?? [];
    const calls = marks.filter((mark) => mark.way === way && mark.at !== undefined);
    const found = calls.findLast((mark) => (run.turns[at].facts[mark.at].call === "interest") === notAsked);
    if (found) return { index: at, at: found.at, fact: run.turns[at].facts[found.at] };
  }
  return null;
}

/** How much two turns have in common by what the clients did before them. */
function likeness(one, other) {
  if (one.ended || other.ended) return one.ended && other.ended ? 2 : 1;
  const [a, b] = [one.clients, other.clients];
  if (!a.length && !b.length) return 2;
  const kind = (step) => step.replace(/ \d+$/, "");
  return a.reduce((sum, step) => sum +
    (b.includes(step) ? 4 : b.some((of) => kind(of) === kind(step)) ? 2 : 0), 0);
}

const CELLS_MAX = 4_000_000;

/** Puts two runs beside each other on the steps of the clients: columns of indices, with gaps. */
export function align(a, b) {
  const [n, m] = [a?.turns.length ?? 0, b?.turns.length ?? 0];
  const columns = [];
  if (!n || !m || n * m > CELLS_MAX) {
    for (let at = 0; at < Math.max(n, m); at += 1) columns.push({ a: at < n ? at : null, b: at < m ? at : null });
    return columns;
  }
  const best = new Uint32Array((n + 1) * (m + 1));
  const pair = (i, j) => {
    const like = likeness(a.turns[i], b.turns[j]);
    return like ? like + best[(i + 1) * (m + 1) + j + 1] : 0;
  };
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let j = m - 1; j >= 0; j -= 1) {
      best[i * (m + 1) + j] = Math.max(pair(i, j), best[(i + 1) * (m + 1) + j], best[i * (m + 1) + j + 1]);
    }
  }
  let [i, j] = [0, 0];
  while (i < n || j < m) {
    const here = best[i * (m + 1) + j];
    if (i < n && j < m && here && pair(i, j) === here) columns.push({ a: i++, b: j++ });
    else if (i < n && (j === m || best[(i + 1) * (m + 1) + j] === here)) columns.push({ a: i++, b: null });
    else columns.push({ a: null, b: j++ });
  }
  return columns;
}

/** What of a cell is compared: the bits, the calls and what was announced, not the times. */
export function signatureOf(cell) {
  if (!cell.part) return cell.kind === "untouched" ? "untouched" : cell.kind;
  const calls = cell.marks.map(({ kind, at }) => {
    const fact = cell.turn.facts[at];
    return fact ? `${fact.call} ${kind} ${fact.asked} ${fact.got} ${fact.error}` : kind;
  });
  return [cell.bits ? lettersOf(cell.bits) : "", cell.closed ? "closed" : "", ...calls].join("|");
}

export const number = (n) => n.toLocaleString("en");

/** A time, from microseconds. */
export function duration(us) {
  if (us >= 1_000_000) return `${number(Math.round(us / 100_000) / 10)} s`;
  return us >= 1_000 ? `${number(Math.round(us / 100) / 10)} ms` : `${us} µs`;
}

export function setInWords(set) {
  return [...set].map((way) => WAYS[way]?.name).join(" and ") || "nothing";
}

export function waitInWords({ timeout_us: timeout, woke, injected }) {
  if (injected) return `The wait was interrupted at once (${injected}, injected on purpose), and told nothing.`;
  const ended = { ready: "the kernel announced something", message: "a message came", timeout: "the time was over" }[woke] ?? woke;
  if (timeout === 0) return `The loop did not wait, and only asked the kernel what is new: ${woke === "ready" ? ended : "nothing"}.`;
  const most = timeout === undefined ? "for as long as it takes" : `for at most ${duration(timeout)}`;
  return `The loop waited ${most}, until ${ended}.`;
}

/** A call as a programmer would write it down. */
export function callAsCode({ call, asked, armed, got, error, injected }) {
  const room = armed === undefined ? asked ?? "" : setInWords(armed);
  const result = error ?? got;
  return `${call === "interest" ? "epoll_ctl" : call}(${room})${result === undefined ? "" : ` = ${result}`}${injected ? `, injected: ${injected}` : ""}`;
}

/** What a call means for what comes next. */
export function callInWords(fact) {
  const { call, asked, got, error, held } = fact;
  const way = WAYS[WAY_OF[call]];
  if (call === "accept") return error === "EAGAIN" ? "nobody else waits to come in" : error ? "nobody can be let in" : "a client came in";
  if (call === "interest") return `from now on the kernel is asked to announce ${setInWords(fact.armed ?? "")}`;
  if (error === "EAGAIN") return `drained: not ${way?.able ?? "ready"} any more, until the kernel announces it again`;
  if (error) return "failed";
  if (call === "shutdown") return "our half is closed";
  if (call === "read" && got === 0) return "the end: the client sends no more";
  if (held) return "a layer beneath holds bytes, so that fewer than asked do not mean that there are no more";
  if (call === "read") return got < asked ? "fewer than there was room for: nothing more is there now" : "as many as there was room for: there may be more";
  return got < asked ? "fewer than offered: there is no room for more now" : "all that was offered: there may be room for more";
}

export function factInWords(fact) {
  switch (fact.did) {
    case "call": return callInWords(fact);
    case "accepted": return "is a new connection";
    case "refused": return `a client was not kept: ${fact.reason}`;
    case "looked": return `was looked at by the clock: ${setInWords(fact.ready)}`;
    case "answered": return `answered ${fact.status}, ${number(fact.bytes)} bytes${fact.request ? `: ${fact.request}` : ""}`;
    case "settled": return `left in ${fact.phase}: reading ${lettersOf(bitsOf(fact, "r"))}, writing ${lettersOf(bitsOf(fact, "w"))}`;
    case "unwatched": return "cannot be watched by the kernel: the clock looks at it";
    case "closed": return `closed: ${fact.reason.replaceAll("_", " ")}`;
    default: return fact.did;
  }
}

/** Why a cell is in its state: who will come back, or why nobody does. */
export function whyOf(run, index, who, way) {
  const { bits, state, fault, left } = cellOf(run, index, who, way);
  const { name, able, when, while: lasting } = WAYS[way];
  const edge = run.trigger === "edge";
  if (fault?.word === "forgotten") {
    return [`The kernel announced that the socket is ${able} while ${name} was not wanted, and the loop did not remember it.`,
      "An edge is announced once: when it comes to be wanted, no one will say so again.",
      "(The box shows what was known before it was forgotten.)"];
  }
  if (fault?.word === "work left") {
    return [`${number(left.inbox)} bytes have been read and not used yet, and the connection is not queued.`,
      "They are no longer in the kernel, so no event will ever announce them: nobody comes back."];
  }
  if (fault?.word === "idle turn") {
    return ["The connection is queued although there is nothing to do: each turn ends without progress, and none waits."];
  }
  if (state === "sleeping") return [`Wanted and not ready. It is armed: the kernel will announce when ${when}.`];
  if (state === "resting") return [`${name[0].toUpperCase()}${name.slice(1)} is not wanted now.`, edge && bits.armed
    ? "It stays armed all the same: an edge is announced once, and remembered as ready until it is wanted."
    : "It is not armed, so no wait ends because of it."];
  if (state === "due" && bits.queued) return ["Wanted, and the connection is queued: the loop does not wait, it goes on with it in the next turn.",
    edge && bits.ready ? `It has to be: the socket is still ${able}, so no new edge would come.` : ""];
  if (state === "due") return ["Wanted, ready and armed: a level is announced as long as it lasts, so the next wait ends at once. No queue is needed."];
  if (state === "spinning") return [`${name[0].toUpperCase()}${name.slice(1)} is not wanted, but armed.`,
    `A level is announced as long as it lasts: each wait ends at once while ${lasting}, and the loop turns with nothing to do.`,
    bits.ready ? "" : "Nothing has been announced yet; it may be at any time."];
  return whyStalled(run, index, who, way);
}

function whyStalled(run, index, who, way) {
  const { bits, marks, turn } = cellOf(run, index, who, way);
  const { able, when, name } = WAYS[way];
  if (!bits.armed) {
    return [`Wanted, but not armed: the kernel was not asked to announce ${name}, so no wait will end when ${when}.`,
      "The connection is not queued either. Nobody comes back."];
  }
  const got = marks.map((mark) => turn.facts[mark.at]?.got).filter(Boolean);
  const sum = number(got.reduce((a, b) => a + b, 0));
  const share = got.length > 1 ? `${got.map(number).join(" + ")} = ${sum} bytes` : `${sum} bytes`;
  return [
    `The loop stopped before EAGAIN: the connection's share of this turn was used up (${share}). The socket is still ${able}.`,
    way === "w" ? "An edge is announced once: room is announced again only after a call has met EAGAIN, and none has. No new edge will come."
      : "An edge is announced once: what is already there is not announced again. So no new edge will come for it.",
    "The connection is not queued, so the loop does not come back by itself either. " +
      `${way === "w" ? "The client waits for the rest" : "The client may be waiting for an answer"}: nobody ever does.`,
  ];
}
