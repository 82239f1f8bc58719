// What screen readers are told, beside what is to be seen.

import assert from "node:assert/strict";

/** Notes it, from the next document that is loaded on. The answer waits until something was said that fits a pattern. */
export async function announcements({ page }) {
  await page.evaluateOnNewDocument(() => {
    globalThis.announced = [];
    new MutationObserver(() => {
      const region = document.getElementById("announcer");
      const text = region?.getAttribute("aria-live") === "polite" ? region.textContent : "";
      if (text !== "" && text !== globalThis.announced.at(-1)) globalThis.announced.push(text);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  return async function announces(pattern) {
    try {
      await page.waitForFunction((source) => globalThis.announced.some((text) => new RegExp(source).test(text)), { polling: 50 }, pattern.source);
    } catch (error) {
      if (error.name !== "TimeoutError") throw error;
      assert.fail(`${pattern} was not announced, but ${JSON.stringify(await page.evaluate(() => globalThis.announced))}`);
    }
  };
}
