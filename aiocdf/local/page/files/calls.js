// The calls on the page, and their list.

import { byId, clock, duration, element, setState, setText } from "./elements.js";

const MOST_KNOWN = 1000;
const MOST_LISTED = 100;

export const calls = new Map();
let ahead = 0; // milliseconds by which the server's clock is ahead of this one

export const serverNow = () => Date.now() + ahead;
export const isLive = (call) => call.state === "Queued" || call.state === "Running";
export const took = (call) => (call.end ?? serverNow()) - (call.state === "Queued" ? call.accepted : call.start);

export function setClock(now) {
  ahead = now - Date.now();
}

export function learn(changed) {
  for (const call of changed) {
    // Events can arrive out of order, but an ended call never runs again.
    if (!calls.has(call.id) || isLive(calls.get(call.id))) calls.set(call.id, call);
  }
  const old = [...calls.keys()].sort((a, b) => a - b).slice(0, Math.max(0, calls.size - MOST_KNOWN));
  for (const id of old) if (!isLive(calls.get(id))) calls.delete(id);
}

const rows = new Map();

function newRow(id, choose) {
  const part = (name) => element("span", { class: name });
  const button = element("button", { type: "button" }, part("state"), part("name"), part("time"), part("took"), part("error"));
  button.addEventListener("click", () => choose(id));
  return element("li", {}, button);
}

function fill(row, call, name, chosen) {
  const button = row.firstChild;
  const [state, title, time, length, error] = button.children;
  setState(state, call.state);
  setText(title, call.scheduleId ? `${name} (scheduled)` : name);
  setText(time, clock(call.accepted));
  setText(length, duration(took(call)));
  setText(error, call.error ?? "");
  error.hidden = !call.error;
  if (chosen) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
}

// Rows are moved and changed, not created again, so that they keep the focus.
export function showCalls(nameOf, only, chosenId, choose) {
  const wanted = [...calls.values()].filter((call) => !only || String(call.functionId) === only);
  const shown = wanted.sort((a, b) => b.id - a.id).slice(0, MOST_LISTED);
  const list = byId("calls");
  shown.forEach((call, place) => {
    if (!rows.has(call.id)) rows.set(call.id, newRow(call.id, choose));
    const row = rows.get(call.id);
    fill(row, call, nameOf(call.functionId), call.id === chosenId);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
  const ids = new Set(shown.map((call) => call.id));
  for (const [id, row] of rows) {
    if (!ids.has(id)) {
      row.remove();
      rows.delete(id);
    }
  }
  byId("no-calls").hidden = shown.length > 0;
}
