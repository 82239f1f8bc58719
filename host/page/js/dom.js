// Nodes from data. Text stays text: nothing here takes markup, and addresses are taken only with a safe scheme.

const SVG = "http://www.w3.org/2000/svg";
const ADDRESSES = new Set(["href", "src", "action", "formaction", "poster", "data"]);
const PROPERTIES = new Set([
  "value", "checked", "disabled", "selected", "readOnly", "required", "multiple", "hidden", "open", "indeterminate", "tabIndex", "htmlFor", "noValidate", "inert",
]);
const SAFE_SCHEMES = new Set(["http:", "https:", "mailto:", "blob:"]);

let made = 0;

/** An ID that no other node has. */
export function uid(prefix = "n") {
  made += 1;
  return `${prefix}-${made}`;
}

/** The address if it can do no harm, else null. */
export function safeAddress(address, { images = false } = {}) {
  try {
    const url = new URL(String(address), document.baseURI);
    if (SAFE_SCHEMES.has(url.protocol)) return String(address);
    if (images && /^data:image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)[;,]/i.test(String(address))) return String(address);
  } catch {
    // Not an address at all.
  }
  return null;
}

function setAttribute(node, name, value) {
  const lower = name.toLowerCase();
  if (lower.startsWith("on") || lower === "style" || lower === "srcdoc") throw new TypeError(`\`${name}\` is not for attributes`);
  if (!ADDRESSES.has(lower)) return node.setAttribute(name, value === true ? "" : String(value));
  const safe = safeAddress(value, { images: node.localName === "img" });
  if (safe !== null) node.setAttribute(name, safe);
}

function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === true) continue;
    if (Array.isArray(child)) append(node, child);
    else node.append(child instanceof Node ? child : String(child));
  }
}

function make(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) {
      if (PROPERTIES.has(name) && value === false) node[name] = false;
      continue;
    }
    if (name === "class") node.setAttribute("class", Array.isArray(value) ? value.filter(Boolean).join(" ") : value);
    else if (name === "style") for (const [key, part] of Object.entries(value)) node.style.setProperty(key, String(part));
    else if (name === "on") for (const [event, listener] of Object.entries(value)) listener && node.addEventListener(event, listener);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "ref" || name === "text") continue;
    else if (PROPERTIES.has(name) && name in node) node[name] = value;
    else setAttribute(node, name, value);
  }
  append(node, children);
  if (props?.text !== undefined && props.text !== null) node.textContent = String(props.text);
  // A select knows its value only once its options are there.
  if (node.localName === "select" && props?.value !== undefined) node.value = props.value;
  props?.ref?.(node);
  return node;
}

/** An HTML element. */
export function h(tag, props, ...children) {
  return make(document.createElement(tag), props, children);
}

/** An SVG element. */
export function s(tag, props, ...children) {
  return make(document.createElementNS(SVG, tag), props, children);
}

/** Replaces what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

/** A link; the router takes those of this page. */
export function link(href, props, ...children) {
  return h("a", { href, ...props }, ...children);
}
