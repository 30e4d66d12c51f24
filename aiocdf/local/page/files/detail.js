// The selected call: its state, error, response and growing log.

import { calls, isLive, learn, serverNow, took } from "./calls.js";
import { byId, clock, duration, setState, setText } from "./elements.js";
import { listen } from "./server.js";

const MOST_LINES = 5000;
let abort = new AbortController();
let chosen = null;

export const chosenId = () => chosen;

export function showTimes(nameOf) {
  const call = calls.get(chosen);
  if (!call) return;
  setText(byId("detail-title"), nameOf(call.functionId));
  setState(byId("detail-state"), call.state);
  const waited = call.start - call.accepted > 1000 ? `, waited ${duration(call.start - call.accepted)}` : "";
  setText(byId("detail-times"), `${duration(took(call))}${call.state === "Queued" ? " in the queue" : waited}, from ${clock(call.accepted)}`);
  byId("detail").classList.toggle("ended", !isLive(call));
}

function showEnd(call) {
  learn([call]);
  byId("detail-failure").hidden = !call.error;
  setText(byId("detail-error"), call.error ?? "");
  byId("detail-trace").hidden = !call.trace;
  setText(byId("detail-trace"), call.trace ?? "");
  byId("detail-answer").hidden = call.state !== "Completed";
  setText(byId("detail-response"), (call.response || "") + (call.responseCut ? "\n… (the rest is not shown)" : ""));
}

function addLines(lines) {
  const log = byId("detail-log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 20;
  log.append(...lines.map(({ timestamp, message }) => `${clock(timestamp)}  ${message}\n`));
  while (log.childNodes.length > MOST_LINES) log.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function clear() {
  byId("detail-failure").hidden = true;
  byId("detail-answer").hidden = true;
  byId("detail-log").replaceChildren();
}

// Clears the log, because the server sends all of it again after a lost connection.
export async function follow(call) {
  abort.abort();
  abort = new AbortController();
  chosen = call.id;
  clear();
  setText(byId("detail-id"), String(call.id));
  byId("detail").hidden = false;
  try {
    await listen(`/page/calls/${call.functionId}/${call.id}`, abort.signal, { log: addLines, end: showEnd });
  } catch (error) {
    if (error.name !== "AbortError") addLines([{ timestamp: serverNow(), message: `Reading the log failed: ${error.message}` }]);
  }
}

export function followAgain() {
  const call = calls.get(chosen);
  if (call && isLive(call)) follow(call);
}

export function stop() {
  abort.abort();
}
