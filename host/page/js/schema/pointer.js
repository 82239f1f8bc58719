// JSON pointers (RFC 6901): the places in a value that messages are about, and the places in a schema that `$ref` names.

/** A pointer of these segments. */
export function join(segments) {
  return segments.map((segment) => `/${String(segment).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The segments of a pointer. */
export function split(pointer) {
  if (pointer === "") return [];
  return pointer
    .slice(1)
    .split("/")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** What a pointer means in a value; `undefined` where there is nothing. Only own properties count, so `__proto__` finds nothing. */
export function at(value, segments) {
  let here = value;
  for (const segment of segments) {
    if (here === null || typeof here !== "object" || !Object.hasOwn(here, segment)) return undefined;
    here = here[segment];
  }
  return here;
}

/** A pointer as people read it: `steps[2].name`. Empty for the whole value. */
export function readable(segments) {
  let text = "";
  for (const segment of segments) {
    if (/^\d+$/.test(segment)) text += `[${Number(segment) + 1}]`;
    else text += text === "" ? segment : `.${segment}`;
  }
  return text;
}
