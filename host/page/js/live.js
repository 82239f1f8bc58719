// Server-sent events, read with `fetch`: unlike EventSource it can resume after it was closed, and tells a refusal from a lost connection. A page that
// nobody looks at holds no connection open.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;

/** Splits a stream of text into events. */
export class EventParser {
  #rest = "";
  #event = { name: "", data: [], id: null };

  constructor(emit) {
    this.emit = emit;
  }

  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") {
      const { name, data, id } = this.#event;
      this.#event = { name: "", data: [], id: null };
      if (data.length > 0 || name) this.emit({ name: name || "message", data: data.join("\n"), id });
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event.name = value;
    else if (field === "data") this.#event.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#event.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.emit({ name: "retry", retry: Number(value) });
  }
}

/**
 * Follows a stream of the API until it is closed. `events` has a listener by event name, called with the parsed data and the ID; `state` hears
 * `connecting`, `open`, `paused`, `lost`, `refused`; `ended` hears of the server's own `end` or `terminal`, after which nothing is asked again.
 */
export function follow(path, { events = {}, lastEventId = null, state, ended } = {}) {
  let last = lastEventId;
  let delay = FIRST_DELAY;
  let timer = null;
  let connection = null;
  let closed = false;

  const tell = (word) => !closed && state?.(word);

  async function connect() {
    timer = null;
    if (closed || connection) return;
    if (document.hidden) return tell("paused");
    const own = new AbortController();
    connection = own;
    tell("connecting");
    try {
      const headers = { Accept: "text/event-stream" };
      if (last !== null) headers["Last-Event-ID"] = last;
      const response = await fetch(`/api/v1${path}`, { headers, signal: own.signal, credentials: "same-origin", cache: "no-store" });
      if (!response.ok) {
        // What was refused stays refused; what is too much, or broken, may pass.
        if (response.status < 500 && response.status !== 429) {
          tell("refused");
          close();
          return;
        }
        throw new Error(`The host answered ${response.status}`);
      }
      tell("open");
      await read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch {
      // Lost, or paused by us: both are seen below.
    }
    if (connection === own) connection = null;
    if (closed || own.signal.aborted) return;
    tell("lost");
    timer = setTimeout(connect, delay * (0.75 + Math.random() / 2));
    delay = Math.min(delay * 2, LONGEST_DELAY);
  }

  async function read(reader) {
    const parser = new EventParser(({ name, data, id, retry }) => {
      if (name === "retry") {
        delay = Math.min(retry, LONGEST_DELAY);
        return;
      }
      delay = FIRST_DELAY;
      if (id !== null) last = id;
      let value = data;
      try {
        value = JSON.parse(data);
      } catch {
        // Plain text is data too.
      }
      events[name]?.(value, id);
      if (name === "end" || name === "terminal") {
        close();
        ended?.(value);
      }
    });
    for (;;) {
      const { value, done } = await reader.read();
      if (done || closed) return;
      parser.push(value);
    }
  }

  function look() {
    if (document.hidden) {
      // Tabs that are only passed through keep what they have.
      clearTimeout(timer);
      timer = setTimeout(() => {
        connection?.abort();
        connection = null;
        tell("paused");
      }, 10_000);
    } else {
      clearTimeout(timer);
      timer = null;
      delay = FIRST_DELAY;
      connect();
    }
  }

  // A page that is left may be kept for a while, and its connection with it: a browser has six for all pages of a host.
  function leave() {
    clearTimeout(timer);
    timer = null;
    connection?.abort();
    connection = null;
  }

  function close() {
    closed = true;
    leave();
    document.removeEventListener("visibilitychange", look);
    window.removeEventListener("pagehide", leave);
    window.removeEventListener("pageshow", look);
  }

  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", look);
  connect();
  return { close };
}

const listeners = new Map();
let shared = null;
let sharedState = "connecting";

function publish(event, value, id) {
  for (const listener of listeners.get(event) ?? []) listener(value, id);
}

/** Listens on the one stream that all views share: `execution`, `waits`, and `state` of the connection itself. */
export function on(event, listener) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(listener);
  if (event === "state") listener(sharedState);
  return () => listeners.get(event)?.delete(listener);
}

/** Opens the shared stream: after login, once. */
export function start() {
  if (shared) return;
  let wasOpen = false;
  shared = follow("/stream", {
    events: {
      execution: (value, id) => publish("execution", value, id),
      waits: (value, id) => publish("waits", value, id),
    },
    state: (word) => {
      sharedState = word;
      publish("state", word);
      // What happened in between is not told again: views look for themselves.
      if (word === "open") {
        if (wasOpen) publish("reopened");
        wasOpen = true;
      }
    },
  });
}

/** Closes it: after logout. */
export function stop() {
  shared?.close();
  shared = null;
}
