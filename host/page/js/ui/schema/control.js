// The control for a schema. Groups ask it for the controls of what they hold.

import { shape } from "../../schema/shape.js";
import { arrayControl, choicesControl, tupleControl } from "./array.js";
import { choiceControl, optionalControl } from "./choice.js";
import { jsonControl } from "./json_text.js";
import { objectControl } from "./object.js";
import { booleanControl, constantControl, numberControl, optionControl, textControl } from "./simple.js";

const DEEPEST = 10;
const SIMPLE = {
  boolean: booleanControl,
  enum: optionControl,
  string: textControl,
  number: numberControl,
  constant: constantControl,
  null: constantControl,
  json: jsonControl,
};

/**
 * A control: `{ node, read() → value or undefined, write(value), focus(), error(message), child?(segment), problem?() }`. `context` is
 * `{ root, label, name, required, depth, changed, bare }`; `child` gives the control of a part, `problem` says what is wrong with what was typed before
 * any schema is asked.
 */
export function control(schema, context) {
  const found = shape(schema, context.root);
  if (context.depth > DEEPEST) return jsonControl(found, context);
  if (Object.hasOwn(SIMPLE, found.kind)) return SIMPLE[found.kind](found, context);
  const mayLack = found.nullable || (context.depth > 0 && !context.required);
  if (mayLack && found.kind !== "array") return optionalControl(found, context, (inner) => group({ ...found, description: null }, inner));
  return group(found, context);
}

function group(found, context) {
  if (found.kind === "object") return objectControl(found, context);
  if (found.kind === "choice") return choiceControl(found, context);
  if (found.prefix.length > 0) return tupleControl(found, context);
  const items = found.items === null ? null : shape(found.items, context.root);
  if (items?.kind === "enum" && found.schema.uniqueItems === true) return choicesControl(found, items, context);
  return arrayControl(found, context);
}
