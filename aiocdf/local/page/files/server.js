// The page's requests to the server. They have the key from the part of the URL after the #.

const KEY = "aiocdf-page-key";

export class Refused extends Error {}

// Moves the key from the address bar to the storage of this tab.
export function keepKey() {
  const key = location.hash.slice(1);
  if (key) {
    sessionStorage.setItem(KEY, key);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) !== null;
}

async function send(path, options = {}) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY)}`, ...options.headers };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) throw new Refused("The server was restarted, or the URL is for another server.");
  if (!response.ok) throw new Error((await response.json()).error.message);
  return response;
}

// `data` is JSON text. It is sent as the user typed it, so that numbers keep all digits.
export async function startCall(functionId, data) {
  const response = await send("/page/calls", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: `{"functionId":${functionId},"data":${data}}`,
  });
  return response.json();
}

function read(text) {
  const found = { event: "", data: "" };
  for (const line of text.split("\n")) {
    const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)];
    if (name in found) found[name] = value;
  }
  return found;
}

// Calls on[event] with each event of a stream, until the stream ends. EventSource has no way to send the key.
export async function listen(path, signal, on) {
  const response = await send(path, { signal });
  on.open?.();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const { event, data } of parts.map(read)) if (event) on[event]?.(JSON.parse(data));
  }
}
