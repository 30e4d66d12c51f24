// Calls as bars over time, with a row for each function. Concurrent calls are in lanes, one below the other.

import { calls, serverNow } from "./calls.js";
import { byId, clock, element, setText } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST_LANES = 12;
const GAP = 1;
const NARROWEST = 4; // pixels

function rectangle(kind, from, to, lane, height, label, chosen) {
  const bar = document.createElementNS(SVG, "rect");
  const at = { x: from, width: Math.max(to - from, NARROWEST), y: lane * height + GAP, height: height - 2 * GAP, rx: 2 };
  for (const [name, value] of Object.entries(at)) bar.setAttribute(name, value);
  bar.setAttribute("class", chosen ? `${kind} chosen` : kind);
  const title = document.createElementNS(SVG, "title");
  title.textContent = label;
  bar.append(title);
  return bar;
}

// Returns the first lane that is free when a call starts, or else the one that is free earliest.
function laneFor(call, ends, now) {
  let lane = ends.findIndex((end) => end <= call.accepted);
  if (lane < 0) lane = ends.length < MOST_LANES ? ends.length : ends.indexOf(Math.min(...ends));
  ends[lane] = call.end ?? now;
  return lane;
}

function bars(call, lane, height, place, now, chosen) {
  const began = call.state === "Queued" ? now : call.start;
  const label = `${call.state}, ${clock(call.accepted)}`;
  const made = [];
  // A call that starts immediately has no bar for its wait, which would be only a line.
  if (began - call.accepted > 50) made.push(rectangle("Queued", place(call.accepted), place(began), lane, height, label, chosen));
  if (call.state !== "Queued") made.push(rectangle(call.state, place(began), place(call.end ?? now), lane, height, label, chosen));
  return made;
}

function drawRow(svg, row, from, now, chosenId, choose) {
  const width = svg.clientWidth;
  const place = (time) => width * Math.min(1, Math.max(0, (time - from) / (now - from)));
  const ends = [];
  const placed = row.sort((a, b) => a.id - b.id).map((call) => [call, laneFor(call, ends, now)]);
  const height = ends.length > 4 ? 8 : 14;
  svg.setAttribute("height", Math.max(1, ends.length) * height + 2);
  svg.replaceChildren(...placed.flatMap(([call, lane]) => bars(call, lane, height, place, now, call.id === chosenId).map((bar) => {
    bar.addEventListener("click", () => choose(call.id));
    return bar;
  })));
}

export function showTimeline(functions, seconds, chosenId, choose) {
  const now = serverNow();
  const from = now - seconds * 1000;
  const host = byId("timeline");
  const seen = [...calls.values()].filter((call) => (call.end ?? now) >= from);
  const axis = host.lastElementChild;
  while (host.children.length > functions.length * 2 + 1) host.firstElementChild.remove();
  while (host.children.length < functions.length * 2 + 1) {
    axis.before(element("span", { class: "name" }), document.createElementNS(SVG, "svg"));
  }
  functions.forEach((each, place) => {
    const [name, svg] = [host.children[2 * place], host.children[2 * place + 1]];
    setText(name, each.name);
    name.title = each.name;
    drawRow(svg, seen.filter((call) => call.functionId === each.id), from, now, chosenId, choose);
  });
  setText(axis.firstElementChild, clock(from));
}
