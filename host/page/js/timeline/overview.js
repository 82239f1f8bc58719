// All calls at once, in lanes, on a canvas: what ran side by side, where it waited, where it failed. A part of it can be chosen to look at closely. The list
// beside it says the same in words.

import { fill, h } from "../dom.js";
import { duration } from "../format.js";
import { marks } from "./scale.js";

const MOST_LANES = 16;
const LANE = 10;
const GAP = 2;
const AXIS = 20;

/** The overview. `onwindow([left, right])` hears which part is looked at, `onpick(at)` which call was clicked. */
export function overview({ onwindow, onpick, onhover }) {
  const canvas = h("canvas", { class: "overview-canvas", role: "img" });
  const brush = h("div", { class: "overview-brush", hidden: true });
  const tip = h("div", { class: "overview-tip", hidden: true });
  const node = h("div", { class: "overview" }, canvas, brush, tip);
  const context = canvas.getContext("2d");
  let data = null;
  let view = [0, 1];
  let selected = -1;
  let colours = null;

  function readColours() {
    const style = getComputedStyle(node);
    const of = (name) => style.getPropertyValue(name).trim();
    // Canvas does not know the two colours of a theme: the browser works out which one holds.
    const probe = h("span", { style: { transition: "none" } });
    node.append(probe);
    const resolve = (name) => {
      probe.style.color = of(name);
      return getComputedStyle(probe).color;
    };
    colours = Object.fromEntries(
      ["--call-step", "--call-model", "--call-flow", "--call-wait", "--call-sleep", "--failed-bar", "--running-bar", "--cancelled-bar", "--ink", "--ink-3", "--line", "--surface", "--accent"].map((name) => [name, resolve(name)]),
    );
    probe.remove();
  }

  function colourOf(call) {
    if (call.status === "failed") return colours["--failed-bar"];
    if (call.look === "wait") return colours["--call-wait"];
    if (call.look === "sleep" || call.look === "first") return colours["--call-sleep"];
    if (call.open) return colours["--running-bar"];
    if (call.status === "cancelled") return colours["--cancelled-bar"];
    return { model: colours["--call-model"], flow: colours["--call-flow"] }[call.look] ?? colours["--call-step"];
  }

  function draw() {
    // Before it is in the document it has neither a width nor colours; the observer of its size calls again.
    if (!data || !node.isConnected || node.clientWidth === 0) return;
    if (!colours) readColours();
    const width = node.clientWidth;
    const rows = Math.min(MOST_LANES, data.lanes.count);
    const height = AXIS + rows * (LANE + GAP) + 6;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const [left, right] = view;
    const x = (place) => ((place - left) / (right - left)) * width;
    axis(width, height, x);
    // Far more calls than pixels: per lane, what lies in a pixel that is painted already is left out, unless it failed.
    const painted = new Float64Array(rows).fill(-1);
    const failures = [];
    for (let at = 0; at < data.calls.length; at += 1) {
      const call = data.calls[at];
      const from = x(data.scale.at(call.start));
      const to = x(data.scale.at(call.end));
      if (to < 0 || from > width) continue;
      const row = Math.min(rows - 1, data.lanes.lane[at]);
      const wide = Math.max(1.5, to - from);
      if (call.status === "failed") failures.push([call, from, row, wide]);
      else if (from + wide > painted[row] + 0.5) {
        bar(call, from, row, wide);
        painted[row] = from + wide;
      }
    }
    for (const [call, from, row, wide] of failures) bar(call, from, row, Math.max(2.5, wide));
    if (selected >= 0 && data.calls[selected]) mark(data.calls[selected], Math.min(rows - 1, data.lanes.lane[selected]), x);
  }

  function axis(width, height, x) {
    context.font = `11px ${getComputedStyle(node).fontFamily}`;
    context.textBaseline = "middle";
    context.lineWidth = 1;
    for (const { place, offset } of marks(data.scale, view, Math.max(2, Math.floor(width / 110)))) {
      const at = Math.round(place * width) + 0.5;
      context.strokeStyle = colours["--line"];
      context.beginPath();
      context.moveTo(at, AXIS - 4);
      context.lineTo(at, height);
      context.stroke();
      context.fillStyle = colours["--ink-3"];
      const text = offset === 0 ? "0" : duration(offset);
      const wide = context.measureText(text).width;
      context.fillText(text, Math.min(Math.max(at - wide / 2, 0), width - wide), 8);
    }
    for (const part of data.scale.parts) {
      if (!part.folded || x(part.end) < 0 || x(part.start) > width) continue;
      const [from, to] = [x(part.start), x(part.end)];
      context.save();
      context.beginPath();
      context.rect(from, AXIS - 4, to - from, height);
      context.clip();
      context.strokeStyle = colours["--line"];
      for (let at = from - height; at < to; at += 6) {
        context.beginPath();
        context.moveTo(at, height);
        context.lineTo(at + height, 0);
        context.stroke();
      }
      context.restore();
      context.fillStyle = colours["--ink-3"];
      const text = duration(part.to - part.from);
      const wide = context.measureText(text).width;
      if (wide + 6 < to - from) {
        context.fillStyle = colours["--surface"];
        context.fillRect((from + to) / 2 - wide / 2 - 3, 0, wide + 6, 16);
        context.fillStyle = colours["--ink-3"];
        context.fillText(text, (from + to) / 2 - wide / 2, 8);
      }
    }
  }

  function bar(call, from, row, wide) {
    const top = AXIS + row * (LANE + GAP);
    const colour = colourOf(call);
    const drawn = Math.max(1.5, wide - (wide > 3 ? 1 : 0));
    context.fillStyle = colour;
    context.strokeStyle = colour;
    if (call.look === "wait" || call.look === "sleep" || call.look === "first") {
      context.globalAlpha = 0.28;
      context.fillRect(from, top, drawn, LANE);
      context.globalAlpha = 1;
      context.fillRect(from, top + LANE - 2, drawn, 2);
    } else if (call.provenance !== "ran" && drawn > 4) {
      context.globalAlpha = 0.18;
      context.fillRect(from, top, drawn, LANE);
      context.globalAlpha = 1;
      context.lineWidth = 1;
      context.strokeRect(from + 0.5, top + 0.5, drawn - 1, LANE - 1);
    } else context.fillRect(from, top, drawn, LANE);
  }

  function mark(call, row, x) {
    const from = x(data.scale.at(call.start));
    const wide = Math.max(4, x(data.scale.at(call.end)) - from);
    context.strokeStyle = colours["--accent"];
    context.lineWidth = 2;
    context.strokeRect(from - 2, AXIS + row * (LANE + GAP) - 2, wide + 3, LANE + 4);
  }

  function place(event) {
    const box = node.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return { share, x: event.clientX - box.left, y: event.clientY - box.top, at: view[0] + share * (view[1] - view[0]), width: box.width };
  }

  function callAt({ y, at, width }) {
    const row = Math.floor((y - AXIS) / (LANE + GAP));
    const time = data.scale.time(at);
    const near = ((view[1] - view[0]) * 3) / width;
    let best = -1;
    for (let index = 0; index < data.calls.length; index += 1) {
      if (Math.min(MOST_LANES - 1, data.lanes.lane[index]) !== row) continue;
      const call = data.calls[index];
      if (call.start <= time && time <= call.end) return index;
      if (Math.abs(data.scale.at(call.start) - at) < near) best = index;
    }
    return best;
  }

  let down = null;
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !data) return;
    down = place(event);
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    if (!data) return;
    const now = place(event);
    if (down) {
      const [from, to] = [Math.min(down.x, now.x), Math.max(down.x, now.x)];
      brush.hidden = to - from < 4;
      brush.style.insetInlineStart = `${from}px`;
      brush.style.width = `${to - from}px`;
      return;
    }
    const at = callAt(now);
    const call = data.calls[at];
    tip.hidden = !call;
    if (call) {
      fill(tip, h("strong", {}, call.invocation_id || call.name), ` ${duration(call.end - call.start)}`, call.status === "completed" ? null : ` · ${call.status}`);
      tip.style.insetInlineStart = `${Math.min(now.x, now.width - 160)}px`;
      tip.style.top = `${now.y + 16}px`;
    }
    onhover?.(at);
  });
  node.addEventListener("pointerleave", () => (tip.hidden = true));
  node.addEventListener("pointerup", (event) => {
    if (!down) return;
    const now = place(event);
    const [from, to] = [Math.min(down.at, now.at), Math.max(down.at, now.at)];
    const dragged = Math.abs(now.x - down.x) >= 4;
    down = null;
    brush.hidden = true;
    if (dragged) setWindow([from, to]);
    else {
      const at = callAt(now);
      if (at >= 0) onpick(at);
    }
  });
  node.addEventListener("pointercancel", () => {
    down = null;
    brush.hidden = true;
  });
  node.addEventListener("dblclick", () => setWindow([0, 1]));
  node.addEventListener("wheel", (event) => {
    if (!data || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    const delta = event.deltaY || event.deltaX;
    if (event.shiftKey) pan(delta / 600);
    else zoom(delta > 0 ? 1.25 : 0.8, place(event).share);
  }, { passive: false });

  function setWindow([left, right], { told = true } = {}) {
    const least = 1e-6;
    const size = Math.min(1, Math.max(least, right - left));
    const start = Math.min(1 - size, Math.max(0, left));
    view = [start, start + size];
    draw();
    if (told) onwindow(view);
  }

  function zoom(factor, share = 0.5) {
    const [left, right] = view;
    const at = left + share * (right - left);
    const size = (right - left) * factor;
    setWindow([at - share * size, at + (1 - share) * size]);
  }

  function pan(share) {
    const [left, right] = view;
    setWindow([left + share * (right - left), right + share * (right - left)]);
  }

  const resized = new ResizeObserver(() => draw());
  resized.observe(node);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => {
    colours = null;
    requestAnimationFrame(draw);
  };
  scheme.addEventListener("change", recolour);
  const themed = new MutationObserver(recolour);
  themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });

  return {
    node,
    zoom,
    pan,
    setWindow,
    set(next) {
      data = next;
      canvas.setAttribute("aria-label", `${next.calls.length} calls in ${next.lanes.count} lanes; the list below has each of them`);
      draw();
    },
    select(at) {
      selected = at;
      draw();
    },
    dispose() {
      resized.disconnect();
      themed.disconnect();
      scheme.removeEventListener("change", recolour);
    },
  };
}
