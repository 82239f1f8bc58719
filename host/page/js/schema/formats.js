// Formats of text that forms know: what people see as an example, and what cannot be right.

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;

function isDate(text) {
  const [, year, month, day] = DATE.exec(text) ?? [];
  if (year === undefined || Number(month) < 1 || Number(month) > 12) return false;
  return Number(day) >= 1 && Number(day) <= new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate();
}

function isMoment(text) {
  const [date, ...time] = text.split(/[Tt ]/);
  return isDate(date) && time.length === 1 && TIME.test(time[0]);
}

function isUri(text) {
  return URL.canParse(text) && /^[a-z][a-z0-9+.-]*:/i.test(text);
}

const FORMATS = {
  date: { right: isDate, problem: "Must be a date, as in 2026-03-31" },
  "date-time": { right: isMoment, problem: "Must be a date and time with its zone, as in 2026-03-31T09:30:00Z" },
  time: { right: (text) => TIME.test(text), problem: "Must be a time with its zone, as in 09:30:00Z" },
  email: { right: (text) => /^[^\s@]+@[^\s@]+$/.test(text), problem: "Must be an email address" },
  uri: { right: isUri, problem: "Must be an address, as in https://example.com/page" },
  url: { right: isUri, problem: "Must be an address, as in https://example.com/page" },
  uuid: {
    right: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
    problem: "Must be a UUID, as in 0198c3a0-0000-7000-8000-000000000000",
  },
  ipv4: { right: (text) => /^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$/.test(text), problem: "Must be an IPv4 address, as in 192.0.2.1" },
};

/** What is wrong with a text of a format; `null` where nothing is, or the format is not known. */
export function formatProblem(format, text) {
  if (typeof format !== "string" || !Object.hasOwn(FORMATS, format)) return null;
  return FORMATS[format].right(text) ? null : FORMATS[format].problem;
}

/** Whether text is likely to have several lines. */
export function isLong(schema) {
  if (["textarea", "multiline", "markdown", "text"].includes(schema.format)) return true;
  return typeof schema.contentMediaType === "string" || schema.maxLength > 200 || schema.minLength > 80;
}
