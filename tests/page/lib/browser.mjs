// A headless Chromium, and visitors in it: each with cookies of its own, and with an eye on everything that a page must never do.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after } from "node:test";

import { Visitor } from "./visitor.mjs";

const require = createRequire(join(process.env.KITARU_PAGE_PACKAGES, "package.json"));
const puppeteer = require("puppeteer-core");

/** What the Rust side has set up: `url`, `login` (a link that works once), `keys` by role, and what its test adds. */
export const given = JSON.parse(process.env.KITARU_PAGE_GIVEN);

/** The path of a file of an installed package. */
export const packaged = (path) => require.resolve(path);

const PATIENCE = 30_000;
const SIZE = { width: 1280, height: 900 };

/**
 * Starts the browser, once for a file of tests, and ends it after them. `visitor({ role, login, width, height, theme })` opens a page: logged in with the
 * key of that role or by the link, or as nobody.
 */
export async function browse() {
  const browser = await puppeteer.launch({
    executablePath: process.env.KITARU_CHROMIUM,
    pipe: true,
    protocolTimeout: 2 * PATIENCE,
    timeout: PATIENCE,
    args: [
      // Root has no sandbox to give; nobody else is without one.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-dev-shm-usage",
      "--force-color-profile=srgb",
      "--hide-scrollbars",
      "--lang=en-GB",
    ],
  });
  const visitors = [];
  after(async () => {
    try {
      for (const visitor of visitors) visitor.watch.mustBeClean();
    } finally {
      await browser.close();
    }
  });

  return async function visitor({ role = null, login = false, width = SIZE.width, height = SIZE.height, theme = "light", motion = "reduce" } = {}) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: theme },
      { name: "prefers-reduced-motion", value: motion },
    ]);
    const visitor = new Visitor(page, given.url, await watch(page));
    visitors.push(visitor);
    await servePageFiles(page);
    if (login) {
      await page.goto(given.login);
      await visitor.sees("Executions", "h1");
    } else if (role !== null) {
      await visitor.enter(given.keys[role]);
    }
    return visitor;
  };
}

/** Notes what must not be: scripts and styles that the policy stopped, dialogs, errors, requests to anybody else. */
async function watch(page) {
  const found = [];
  await page.exposeFunction("tellOfViolation", (text) => found.push(`content security policy: ${text}`));
  await page.evaluateOnNewDocument(() => {
    document.addEventListener("securitypolicyviolation", (event) => globalThis.tellOfViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  page.on("dialog", (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("pageerror", (error) => found.push(`error: ${error.stack ?? error}`));
  page.on("console", (message) => {
    // The browser itself says of each answer that is an error that it is one; tests of refusals want them.
    if (message.type() === "error" && !/^Failed to load resource/.test(message.text())) found.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const address = request.url();
    if (!address.startsWith(`${given.url}/`) && !/^(data|blob|about):/.test(address)) found.push(`request: ${address}`);
  });
  return { found, mustBeClean: () => assert.deepEqual(found, []) };
}

/**
 * With KITARU_PAGE_FILES, a folder such as `host/page`, files come from there and not from the host: for who works on the page, and need not build
 * the host after each change.
 */
async function servePageFiles(page) {
  const folder = process.env.KITARU_PAGE_FILES;
  if (!folder) return;
  const { readFile } = await import("node:fs/promises");
  const { headers } = await fetch(given.url);
  const kept = Object.fromEntries(["content-security-policy", "x-content-type-options"].map((name) => [name, headers.get(name)]));
  const types = { css: "text/css", js: "text/javascript", svg: "image/svg+xml", html: "text/html" };
  await page.setRequestInterception(true);
  page.on("request", async (request) => {
    const { pathname, origin } = new URL(request.url());
    const isFile = /^\/(css|js)\/|^\/favicon/.test(pathname);
    const isView = request.isNavigationRequest() && !pathname.startsWith("/api/") && pathname !== "/metrics";
    if (origin !== given.url || !(isFile || isView)) return request.continue();
    const name = isFile ? pathname : "/index.html";
    const body = await readFile(join(folder, name)).catch(() => null);
    if (body === null) return request.respond({ status: 404 });
    return request.respond({ status: 200, headers: kept, contentType: `${types[name.split(".").pop()]}; charset=utf-8`, body });
  });
}
