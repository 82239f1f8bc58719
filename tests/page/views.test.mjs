// Every view in one theme: nothing that axe finds serious, nothing wider than the window, and a picture at three widths for people to look at.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { browse, given, packaged } from "./lib/browser.mjs";
import { viewsOf } from "./lib/views.mjs";

const WIDTHS = [1440, 820, 390];
const HEIGHTS = { 1440: 900, 820: 1100, 390: 844 };
const GRAVE = ["serious", "critical"];

const axe = await readFile(packaged("axe-core/axe.min.js"), "utf8");
const visitor = await browse();
const admin = await visitor({ login: true, theme: given.theme, width: WIDTHS[0] });
const nobody = await visitor({ theme: given.theme, width: WIDTHS[0] });

/** Nothing is on its way, and nothing moves. */
function settled({ page }) {
  return page.waitForFunction(
    () => !document.querySelector(".skeleton, [aria-busy=true]") && document.getAnimations().every((animation) => animation.playState !== "running" || animation.effect.getTiming().iterations === Infinity),
    { polling: 50 },
  );
}

async function judged({ page }) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => GRAVE.includes(impact)).map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 5).map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`);
}

/** What stands out of the window to the right, though nothing around it scrolls; and of what lies over the page, what does so to the left. */
function tooWide({ page }) {
  return page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const over = [...document.querySelectorAll("[role=menu]:not([hidden]), dialog[open]")].filter((node) => node.getBoundingClientRect().left < 0 || node.getBoundingClientRect().right > room + 1);
    if (over.length > 0) return over.map((node) => `${node.localName}.${[...node.classList].join(".")}`);
    if (document.documentElement.scrollWidth <= room) return [];
    const out = [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > room + 1);
    return out.slice(-3).map((node) => `${node.localName}.${[...node.classList].join(".")}`).concat(`${document.documentElement.scrollWidth} > ${room}`);
  });
}

for (const { name, path, ready, act, open = false, anew = false } of viewsOf(given)) {
  test(name, async () => {
    const someone = open ? nobody : admin;
    const problems = [];
    for (const width of WIDTHS) {
      await someone.page.setViewport({ width, height: HEIGHTS[width] });
      // Most views are the same document at every width; some are made for the width at which they are opened.
      if (width === WIDTHS[0] || anew) {
        await someone.page.goto(`${given.url}${path}`);
        await someone.page.waitForSelector(ready);
        await settled(someone);
        await act?.(someone);
      }
      await settled(someone);
      await someone.page.screenshot({ path: join(process.env.KITARU_PAGE_SCREENSHOTS, `${name}-${width}-${given.theme}.png`) });
      problems.push(...(await tooWide(someone)).map((text) => `${width} wide: ${text}`));
      // What a narrow window changes, it changes in both themes alike.
      if (width === WIDTHS[0] || (width === 390 && given.theme === "light")) problems.push(...(await judged(someone)).map((text) => `${width}: ${text}`));
    }
    assert.deepEqual(problems, []);
  });
}

test("the way of the Tab key follows what is seen, and every stop has a name and is in sight", async () => {
  await admin.page.setViewport({ width: 1440, height: 900 });
  for (const path of ["/executions", `/executions/${given.shown.read}`, "/inbox", "/flows", "/models", "/keys", "/system"]) {
    await admin.go(path);
    await settled(admin);
    const stops = [];
    for (let step = 0; step < 60; step += 1) {
      await admin.press("Tab");
      const stop = await admin.page.evaluate(() => {
        const node = document.activeElement;
        if (node === document.body) return null;
        // Of controls that are drawn by what is around them, or of which a part is chosen, that shows the focus.
        const shows = (one) => getComputedStyle(one).outlineStyle !== "none" || getComputedStyle(one).boxShadow !== "none";
        const around = [node.parentElement, node.parentElement?.parentElement, node.parentElement?.parentElement?.parentElement, node.nextElementSibling];
        const drawn = [node, ...node.querySelectorAll("*")].some(shows) || around.some((one) => one && getComputedStyle(one).outlineStyle !== "none");
        const { width, height } = node.getBoundingClientRect();
        return { what: node.outerHTML.slice(0, 120), drawn, size: width * height, inMain: Boolean(node.closest("main")) };
      });
      if (stop === null) break;
      assert.ok(stop.drawn, `${path}: the focus cannot be seen on ${stop.what}`);
      assert.ok(stop.size > 0, `${path}: ${stop.what} has no size`);
      stops.push(stop);
    }
    const first = stops.findIndex((stop) => stop.inMain);
    assert.ok(first > 0 && stops.slice(0, first).every((stop) => !stop.inMain), `${path}: navigation comes before the view`);
  }
});

test("nothing moves where people want that nothing moves", async () => {
  await admin.go("/executions");
  await admin.press("?");
  const moving = await admin.page.evaluate(() => document.getAnimations().filter((animation) => animation.playState === "running" && animation.effect.getComputedTiming().duration > 1).length);
  assert.equal(moving, 0);
});
