// The page: receives changes from the server and shows them.

import { calls, isLive, learn, serverNow, setClock, showCalls, took } from "./calls.js";
import { chosenId, follow, followAgain, showTimes, stop } from "./detail.js";
import { byId, dated, duration, element, setState, setText } from "./elements.js";
import { Refused, keepKey, listen, startCall } from "./server.js";
import { showTimeline } from "./timeline.js";

const RETRY = 1000;
const LOOK_AGAIN = 500;
let overview = { project: "…", functions: [], schedules: [], limits: {} };
let abort = new AbortController();
let awaited = false;

const nameOf = (id) => overview.functions.find((each) => each.id === id)?.name ?? `function ${id}`;

function choose(id) {
  follow(calls.get(id));
  byId("detail-title").focus();
  show();
}

// Draws once at the next frame, after any number of changes.
function show() {
  if (!awaited) requestAnimationFrame(draw);
  awaited = true;
}

function draw() {
  awaited = false;
  showCalls(nameOf, byId("filter").value, chosenId(), choose);
  showTimeline(overview.functions, Number(byId("window").value), chosenId(), choose);
  showTimes(nameOf);
  showLimits();
  showFunctions();
}

function showLimits() {
  const live = [...calls.values()].filter(isLive);
  const byFunction = overview.functions.map(({ id }) => live.filter((call) => call.functionId === id).length);
  const { callsPerProject, callsPerFunction, processes } = overview.limits;
  const rows = [
    ["Calls of the project", live.length, callsPerProject],
    ["Calls of the busiest function", Math.max(0, ...byFunction), callsPerFunction],
    ["Busy function instances", live.filter((call) => call.state === "Running").length, processes],
  ];
  const host = byId("limits");
  while (host.children.length < rows.length) {
    const text = element("p", {}, element("span", {}), element("span", {}));
    host.append(element("div", { class: "limit" }, text, element("meter", { min: 0 })));
  }
  rows.forEach(([name, used, most], place) => {
    const [text, meter] = host.children[place].children;
    setText(text.firstChild, name);
    setText(text.lastChild, `${used} of ${most ?? "…"}`);
    meter.max = most ?? 1;
    meter.high = meter.max * 0.8;
    meter.value = used;
    meter.setAttribute("aria-label", name);
  });
}

function measured(id) {
  const known = [...calls.values()].filter((call) => call.functionId === id);
  if (!known.length) return "No recent calls";
  const times = known.filter((call) => !isLive(call)).map(took).sort((a, b) => a - b);
  const failed = known.filter((call) => call.state === "Failed" || call.state === "Timeout").length;
  const middle = times.length ? `, median ${duration(times[Math.floor(times.length / 2)])}, longest ${duration(times.at(-1))}` : "";
  return `${known.length} recent ${known.length === 1 ? "call" : "calls"}, ${failed} failed${middle}`;
}

function newFunction() {
  const error = element("details", { hidden: "" }, element("summary", {}), element("pre", { class: "bad", tabindex: 0 }));
  return element("li", {}, element("b", {}), " ", element("span", { class: "state" }), element("p", { class: "dim" }), error);
}

function showFunctions() {
  const host = byId("functions");
  while (host.children.length > overview.functions.length) host.lastChild.remove();
  while (host.children.length < overview.functions.length) host.append(newFunction());
  overview.functions.forEach((each, place) => {
    const [name, state, text, error] = host.children[place].children;
    setText(name, each.name);
    setState(state, each.status);
    setText(text, measured(each.id));
    error.hidden = !each.error;
    setText(error.firstChild, (each.error ?? "").split("\n", 1)[0]);
    setText(error.lastChild, each.error ?? "");
  });
}

function showSchedules() {
  byId("no-schedules").hidden = overview.schedules.length > 0;
  byId("schedules").replaceChildren(...overview.schedules.map((each) => element("li", {},
    element("b", {}, each.name), element("p", {}, `${nameOf(each.functionId)}: ${each.when}`),
    element("p", { class: "dim" }, element("code", {}, each.cron), each.nextRun ? `, next ${dated(each.nextRun)}` : ", no next run"))));
}

function fillOptions(select, options) {
  const kept = select.value;
  select.replaceChildren(...options);
  if ([...select.options].some((option) => option.value === kept)) select.value = kept;
}

function showOverview(given) {
  overview = given;
  const options = () => overview.functions.map(({ id, name }) => element("option", { value: id }, name));
  setText(byId("project"), overview.project);
  fillOptions(byId("function"), options());
  fillOptions(byId("filter"), [element("option", { value: "" }, "all functions"), ...options()]);
  showSchedules();
  show();
}

function setConnection(state, text) {
  byId("connection").dataset.state = state;
  setText(byId("connection"), text);
}

function giveUp(message) {
  setConnection("lost", "Not connected");
  byId("problem").hidden = false;
  setText(byId("problem"), `${message} Open the URL that aiocdf serve prints, including the part after the #.`);
}

async function keepUp() {
  abort = new AbortController();
  const { signal } = abort;
  const on = {
    open: () => setConnection("open", "Live"),
    snapshot: (given) => {
      setClock(given.now);
      calls.clear();
      learn(given.calls);
      showOverview(given);
      followAgain();
    },
    overview: showOverview,
    calls: (changed) => {
      learn(changed);
      show();
    },
  };
  try {
    await listen("/page/events", signal, on);
  } catch (error) {
    if (error instanceof Refused) return giveUp(error.message);
  }
  if (signal.aborted) return undefined;
  setConnection("lost", "Not connected: trying again");
  return setTimeout(() => !document.hidden && !signal.aborted && keepUp(), RETRY);
}

async function submit(event) {
  event.preventDefault();
  const error = byId("form-error");
  setText(error, "");
  try {
    const data = byId("data").value.trim() || "{}";
    JSON.parse(data);
    const call = await startCall(byId("function").value, data);
    learn([call]);
    follow(calls.get(call.id));
    show();
  } catch (failure) {
    setText(error, failure instanceof SyntaxError ? `This is not valid JSON: ${failure.message}` : failure.message);
  }
}

// A hidden tab closes its connection, because browsers open only six connections to one server.
function turn() {
  if (document.hidden) {
    abort.abort();
    stop();
  } else {
    keepUp();
  }
}

function start() {
  if (!keepKey()) return giveUp("The URL has no key.");
  byId("form").addEventListener("submit", submit);
  byId("filter").addEventListener("change", show);
  byId("window").addEventListener("change", show);
  document.addEventListener("visibilitychange", turn);
  setInterval(() => !document.hidden && show(), LOOK_AGAIN);
  window.addEventListener("hashchange", () => location.reload());
  return document.hidden ? undefined : keepUp();
}

start();
