/** How shares, numbers, times and an item's fields are written for people. */

const ONE_DIGIT = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const YEAR = /(^|_)(year|date|released|published)(_|$)/i;
const PEOPLE = /^(author|artist|director|writer|creator|composer|performer|band|brand|publisher)s?$/i;
const PARTS = 5;
const LONGEST_PART = 90;

/** 0.69 → "69 %", 0.0027 → "0.3 %". */
export function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.05) return "<0.1 %";
  return `${value < 9.5 || value > 99 ? ONE_DIGIT.format(value) : Math.round(value)} %`;
}

export const milliseconds = (value) => `${value < 10 ? ONE_DIGIT.format(value) : Math.round(value)} ms`;

export const count = (number, one, many = `${one}s`) => `${GROUPED.format(number)} ${number === 1 ? one : many}`;

/** Four digits that tell something, whatever the size. */
export const score = (value) => String(Number(value.toPrecision(4)));

export const number = (value) => GROUPED.format(value);

/** A field's value as text; "" for one that says nothing. 1964.0 is 1964 already: JSON knows no other. */
export function fieldText(name, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (Array.isArray(value)) return value.map((one) => fieldText(name, one)).filter(Boolean).join(", ");
  if (typeof value === "number") return YEAR.test(name) ? String(value) : GROUPED.format(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value).trim();
}

/** All fields that say something: [name, text]. */
export const fieldList = (fields) =>
  Object.entries(fields ?? {})
    .map(([name, value]) => [name.replaceAll("_", " "), fieldText(name, value)])
    .filter(([, text]) => text);

/** The few that fit on a line: the year, who made it, then kinds and other words. Numbers are in the details. */
export function fieldLine(fields) {
  const order = ([name, value]) => (YEAR.test(name) ? 0 : PEOPLE.test(name) ? 1 : Array.isArray(value) ? 2 : 3);
  return Object.entries(fields ?? {})
    .filter((field) => typeof field[1] !== "number" || order(field) === 0)
    .sort((one, other) => order(one) - order(other))
    .map(([name, value]) => shorten(fieldText(name, value)))
    .filter(Boolean)
    .slice(0, PARTS);
}

const shorten = (text) => (text.length > LONGEST_PART ? `${text.slice(0, LONGEST_PART - 1).trimEnd()}…` : text);

/** Seconds since 1970 → "14:32" today, "3 Mar, 14:32" before. */
export function clock(seconds) {
  const time = new Date(seconds * 1000);
  const hours = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (time.toDateString() === new Date().toDateString()) return hours;
  return `${time.toLocaleDateString([], { day: "numeric", month: "short" })}, ${hours}`;
}

export const fullTime = (seconds) => new Date(seconds * 1000).toLocaleString();
