// Answers of models while they are made.

import { fill, h } from "../../dom.js";
import { keyOf, told } from "../../models/pieces.js";
import { markdown } from "../../ui/markdown.js";

const SHOWN = 4000;

/** A place for them. `take` hears of each piece; `keep` lets go of what has been recorded, which its record shows: until that is there, the answer stays. */
export function makingView() {
  const answers = new Map();
  const node = h("div", { class: "making-list" });

  function open(chunk) {
    const body = h("div", { class: "making-text" });
    const word = h("span", {}, "A model is answering");
    const index = Number(String(chunk.call_id).split(":").at(-1));
    const name = chunk.name ?? `call ${index}`;
    const section = h("section", { class: "making", "aria-label": `Answer in the making: ${name}` }, h("div", { class: "making-head" }, h("span", { class: "making-dot", "aria-hidden": "true" }), word, h("code", {}, name)), body);
    node.append(section);
    return { known: null, ended: false, index, body, word, node: section };
  }

  function end(answer) {
    if (!answer) return;
    answer.ended = true;
    fill(answer.word, "A model has answered");
  }

  function close(key) {
    answers.get(key)?.node.remove();
    answers.delete(key);
  }

  return {
    node,
    take(chunk) {
      const key = keyOf(chunk);
      const known = told(answers.get(key)?.known ?? null, chunk);
      if (known === null) return end(answers.get(key));
      if (!answers.has(key)) answers.set(key, open(chunk));
      const answer = answers.get(key);
      if (answer.known === known) return undefined;
      answer.known = known;
      // Whoever reads further up is left there.
      const follows = answer.body.scrollHeight - answer.body.scrollTop - answer.body.clientHeight < 16;
      fill(answer.body, known.withheld ? h("p", { class: "muted" }, "What it says is shown once it is on record: this host changes what is kept of it.") : markdown(known.text.slice(-SHOWN)));
      if (follows) answer.body.scrollTop = answer.body.scrollHeight;
      return undefined;
    },
    keep(execution) {
      for (const [key, { index, ended }] of answers) {
        const checkpoint = execution.checkpoints.find((one) => one.call_index === index);
        if (ended || (checkpoint ? checkpoint.status !== "running" : execution.ended_at !== null)) close(key);
      }
    },
  };
}
