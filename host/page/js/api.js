// The API as functions. Whatever it refuses is thrown as a `Problem`.

const BASE = "/api/v1";

/** What went wrong, as the API says it (RFC 9457), or as the connection does. */
export class Problem extends Error {
  constructor(fields) {
    super(fields.detail || fields.title || "Something went wrong");
    this.name = "Problem";
    this.status = fields.status ?? 0;
    this.title = fields.title ?? "Error";
    this.detail = fields.detail ?? null;
    this.causes = Array.isArray(fields.causes) ? fields.causes.map(String) : [];
    this.hint = fields.hint ?? null;
    this.kind = fields.class ?? fields.type ?? null;
    this.errors = Array.isArray(fields.errors) ? fields.errors : [];
    this.retryAfter = fields.retryAfter ?? null;
  }
}

let known;
let onUnauthorised = () => {};

/** Who is told when the session is over. */
export function whenUnauthorised(listener) {
  onUnauthorised = listener;
}

/** Who asks, and the token against forged requests; null where nobody is logged in. */
export async function session({ fresh = false } = {}) {
  if (fresh) known = undefined;
  known ??= request("GET", url("/session"), { quiet: true }).catch((problem) => {
    known = undefined;
    if (problem.status === 401) return null;
    throw problem;
  });
  return known;
}

/** The address of an API path with a query: arrays are repeated, empty values left out. */
export function url(path, query) {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") fields.append(name, String(one));
    }
  }
  const text = fields.toString();
  return `${BASE}${path}${text && `?${text}`}`;
}

export function get(path, query, { signal } = {}) {
  return request("GET", url(path, query), { signal });
}

/** Changes something. Of DELETE the fields go into the query, as the API has them. */
export function send(method, path, body, { signal } = {}) {
  if (method === "DELETE") return request(method, url(path, body), { signal });
  return request(method, url(path), { signal, body: JSON.stringify(body ?? {}), type: "application/json" });
}

/** Sends bytes as they are. */
export function upload(method, path, bytes, { signal, query, type = "application/octet-stream" } = {}) {
  return request(method, url(path, query), { signal, body: bytes, type });
}

/** All items of a list, page by page where it has pages; `page` hears of each page as it comes. Most lists have one, and then take no `limit`. */
export async function all(path, query, { signal, limit = null, page } = {}) {
  const items = [];
  let cursor = null;
  do {
    const answer = await get(path, { ...query, limit, cursor }, { signal });
    items.push(...answer.items);
    page?.(answer.items, answer, cursor);
    cursor = answer.next_cursor ?? null;
  } while (cursor !== null);
  return items;
}

async function request(method, address, { signal, body, type, quiet }) {
  const headers = { Accept: "application/json" };
  if (type) headers["Content-Type"] = type;
  if (method !== "GET") {
    const token = (await session().catch(() => null))?.csrf_token;
    if (token) headers["X-Kitaru-CSRF"] = token;
  }
  let response;
  try {
    response = await fetch(address, { method, headers, body, signal, credentials: "same-origin", cache: "no-store" });
  } catch (cause) {
    if (cause.name === "AbortError") throw cause;
    throw new Problem({ title: "No connection", detail: "The host does not answer.", causes: [cause.message], hint: "is `kitaru-host serve` still running?" });
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await problemOf(response);
  if (problem.status === 401 && !quiet) onUnauthorised(problem);
  throw problem;
}

async function problemOf(response) {
  const fields = { status: response.status, title: response.statusText, retryAfter: response.headers.get("Retry-After") };
  const text = await response.text().catch(() => "");
  try {
    return new Problem({ ...fields, ...JSON.parse(text) });
  } catch {
    return new Problem({ ...fields, detail: text.slice(0, 500) || `The host answered ${response.status}.` });
  }
}
