// Somebody who looks at the page: goes, clicks, types and reads as people do, and waits for what is to be seen.

import assert from "node:assert/strict";

const LONGEST_WAY = 120;

export class Visitor {
  constructor(page, url, watch) {
    this.page = page;
    this.url = url;
    this.watch = watch;
  }

  /** Logs in with an API key, by the form. */
  async enter(key) {
    await this.page.goto(`${this.url}/login`);
    await this.fill("API key", key);
    await this.page.keyboard.press("Enter");
    await this.sees("Executions", "h1");
  }

  /** Opens a path, as by a link of the page: nothing is loaded again. */
  async go(path) {
    await this.page.goto(`${this.url}${path}`);
    await this.page.waitForSelector("h1, h2.question-text, .empty");
  }

  get path() {
    const { pathname, search } = new URL(this.page.url());
    return pathname + search;
  }

  /** Waits until the address fits. */
  async arrives(pattern) {
    await this.page.waitForFunction((source) => new RegExp(source).test(location.pathname + location.search), {}, pattern.source);
  }

  /** The first element with this role and accessible name that is in sight. */
  named(role, name) {
    return this.page.locator(`::-p-aria([name=${JSON.stringify(name)}][role="${role}"])`);
  }

  async click(role, name) {
    await this.named(role, name).click();
  }

  /** Presses keys, one after the other; `Control+a` is held together. */
  async press(...keys) {
    for (const chord of keys) {
      const [key, ...held] = chord === "+" ? ["+"] : chord.split("+").reverse();
      for (const one of held) await this.page.keyboard.down(one);
      await this.page.keyboard.press(key);
      for (const one of held) await this.page.keyboard.up(one);
    }
  }

  /** The field with this label, as soon as it is in sight: what a label says beside, such as that it is optional, does not matter. */
  async field(label) {
    const found = await this.page.waitForFunction(
      (wanted) =>
        [...document.querySelectorAll("input, textarea, select")].find((node) => {
          const named = node.getAttribute("aria-label") ?? node.labels?.[0]?.innerText ?? "";
          return node.checkVisibility() && (named === wanted || named.split("\n")[0].startsWith(`${wanted} `) || named.split("\n")[0] === wanted);
        }),
      { polling: 50 },
      label,
    );
    return found.asElement();
  }

  /** Empties a field and types into it. */
  async fill(label, text) {
    const field = await this.field(label);
    await field.evaluate((node) => {
      node.focus();
      node.select?.();
    });
    await this.page.keyboard.press("Backspace");
    if (text !== "") await this.page.keyboard.sendCharacter(text);
  }

  /** Chooses an option of a select by its label. */
  async choose(label, option) {
    const field = await this.field(label);
    const value = await field.evaluate((node, wanted) => [...node.options].find((one) => one.label.includes(wanted))?.value, option);
    assert.notEqual(value, undefined, `${label} has no option ${option}`);
    await field.select(value);
  }

  /** Waits until a text can be read, in an element that fits the selector. */
  async sees(text, selector = "body") {
    try {
      await this.page.waitForFunction(
        (wanted, where) => [...document.querySelectorAll(where)].some((node) => node.checkVisibility() && node.innerText.includes(wanted)),
        { polling: 50 },
        text,
        selector,
      );
    } catch (error) {
      if (error.name !== "TimeoutError") throw error;
      assert.fail(`\`${text}\` is not to be seen in ${selector} of ${this.path}:\n${await this.text()}`);
    }
  }

  /** Waits until a text cannot be read any more. */
  async seesNoMore(text, selector = "body") {
    await this.page.waitForFunction(
      (wanted, where) => ![...document.querySelectorAll(where)].some((node) => node.checkVisibility() && node.innerText.includes(wanted)),
      { polling: 50 },
      text,
      selector,
    );
  }

  /** What can be read now. */
  text(selector = "body") {
    return this.page.$$eval(selector, (nodes) => nodes.map((node) => node.innerText).join("\n"));
  }

  count(selector) {
    return this.page.$$eval(selector, (nodes) => nodes.length);
  }

  /** How many elements the document has. */
  size() {
    return this.count("*");
  }

  /** The name of what has the focus. */
  focused() {
    return this.page.evaluate(() => {
      const node = document.activeElement;
      const labelled = (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.innerText ?? "").join(" ");
      return (node.getAttribute("aria-label") ?? (labelled.trim() || node.labels?.[0]?.innerText || node.innerText || node.id || node.localName)).trim();
    });
  }

  /** Moves the focus with the Tab key until it is on what has this name; the names of what it passed. */
  async tabTo(name) {
    const passed = [];
    for (let step = 0; step < LONGEST_WAY; step += 1) {
      await this.page.keyboard.press("Tab");
      const here = await this.focused();
      if (here.includes(name)) return passed;
      passed.push(here);
    }
    return assert.fail(`the Tab key does not lead to ${name}: ${passed.join(" | ")}`);
  }

  /** Asks the API with this visitor's own session. */
  async api(method, path, body) {
    const { status, answer } = await this.page.evaluate(
      async (verb, address, fields) => {
        const session = await (await fetch("/api/v1/session")).json();
        const response = await fetch(`/api/v1${address}`, {
          method: verb,
          headers: { "Content-Type": "application/json", "X-Kitaru-CSRF": session.csrf_token },
          body: fields === null ? undefined : JSON.stringify(fields),
        });
        return { status: response.status, answer: response.status === 204 ? null : await response.json() };
      },
      method,
      path,
      body ?? null,
    );
    assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(answer)}`);
    return answer;
  }
}
