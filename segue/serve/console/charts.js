/** Charts as plain SVG, drawn as wide as there is room. What they show stands in a table behind them, too. */
import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";

const HEIGHT = 250;
export const EDGE = { left: 58, right: 14, top: 12, bottom: 42 };

/** A figure with a heading; `children` of it are the chart, `table` its numbers: { head: [...], rows: [[...]] }. */
export function Figure({ title, note, table, children }) {
  return html`<figure class="figure">
    <figcaption><h3>${title}</h3><p>${note}</p></figcaption>
    ${children}
    <details class="numbers"><summary>The numbers</summary><div class="scroll"><table>
      <caption class="unseen">${title}</caption>
      <thead><tr>${table.head.map((name, place) => html`<th scope="col" class=${place ? "number" : ""}>${name}</th>`)}</tr></thead>
      <tbody>${table.rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td class="number">${cell}</td>`)}</tr>`)}</tbody>
    </table></div></details>
  </figure>`;
}

/**
 * Curves over `x` (ascending numbers). `series`: [{ name, hue, values, dashed }], of the length of `x`. `stacked` ones are areas
 * on top of each other, from 0 up. `level`, { at, name }, is a line across. The legend tells the values under the pointer.
 */
export function Curves({ label, x, xName, yName, series, stacked = false, level, format }) {
  const [frame, width] = useWidth();
  const [at, point] = useState(null);
  const tops = stacked ? stack(series) : series.map(({ values }) => values);
  const all = [...tops.flat(), 0, level?.at ?? 0];
  const y = scale(nice(Math.min(...all), Math.max(...all)), [HEIGHT - EDGE.bottom, EDGE.top]);
  const across = scale({ from: x[0], to: Math.max(x.at(-1), x[0] + 1) }, [EDGE.left, width - EDGE.right]);
  const shown = at ?? x.length - 1;
  const move = (event) => {
    const here = event.clientX - event.currentTarget.getBoundingClientRect().left;
    point(x.reduce((best, value, place) => (Math.abs(across(value) - here) < Math.abs(across(x[best]) - here) ? place : best), 0));
  };
  return html`<div class="chart-frame" ref=${frame}>
    <svg class="curves" width=${width} height=${HEIGHT} viewBox=${`0 0 ${width} ${HEIGHT}`} role="img" aria-label=${label}
      onPointerMove=${move} onPointerLeave=${() => point(null)}>
      <${Axes} width=${width} y=${y} across=${across} ticks=${ticks({ from: x[0], to: x.at(-1) }, width / 70)} xName=${xName} yName=${yName} format=${format} />
      ${series.map(({ name, hue, dashed }, place) =>
        stacked
          ? html`<path key=${name} data-hue=${hue} class="area" d=${area(x.map(across), tops[place].map(y), (tops[place - 1] ?? x.map(() => 0)).map(y))} />`
          : html`<path key=${name} data-hue=${hue} class=${dashed ? "line dashed" : "line"} d=${line(x.map(across), tops[place].map(y))} />`,
      )}
      ${level && html`<line class="level" x1=${EDGE.left} x2=${width - EDGE.right} y1=${y(level.at)} y2=${y(level.at)} />`}
      ${at !== null && html`<line class="pointer" x1=${across(x[at])} x2=${across(x[at])} y1=${EDGE.top} y2=${HEIGHT - EDGE.bottom} />`}
    </svg>
    <ul class="legend" aria-hidden="true">
      <li class="where">${xName} ${x[shown].toLocaleString("en")}</li>
      ${series.map(({ name, hue, values, dashed }) => html`<li key=${name} data-hue=${hue}><span class=${dashed ? "key dashed" : stacked ? "key filled" : "key"}></span>${name} <b class="number">${format(values[shown])}</b></li>`)}
      ${level && html`<li data-hue="plain"><span class="key dotted"></span>${level.name}</li>`}
    </ul>
  </div>`;
}

/** Intervals below each other: `rows` [{ name, marks: [{ value, low, high, hue, faint }] }] and a line down at { at, name }. */
export function Intervals({ label, rows, level, xName, kinds }) {
  const [frame, width] = useWidth();
  const ROW = 34;
  const left = Math.min(150, width * 0.34);
  const height = rows.length * ROW + 64;
  const highest = Math.max(level.at, ...rows.flatMap(({ marks }) => marks.map(({ high }) => high)));
  const range = nice(0, highest);
  const across = scale(range, [left, width - EDGE.right]);
  return html`<div class="chart-frame" ref=${frame}>
    <svg class="intervals" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${label}>
      ${ticks(range, (width - left) / 80).map((value) => html`<line class="grid" x1=${across(value)} x2=${across(value)} y1="20" y2=${height - 40} />
        <text class="tick" x=${across(value)} y=${height - 24} text-anchor="middle">${short(value)}</text>`)}
      <text class="axis" x=${(left + width - EDGE.right) / 2} y=${height - 6} text-anchor="middle">${xName}</text>
      <line class="level" x1=${across(level.at)} x2=${across(level.at)} y1="20" y2=${height - 40} />
      <text class="on-level" x=${across(level.at)} y="13" text-anchor=${across(level.at) > width - 90 ? "end" : "middle"}>${level.name}</text>
      ${rows.map(({ name, marks }, row) => html`
        <text class="row" x=${left - 10} y=${20 + ROW * (row + 0.5) + 4} text-anchor="end">${name}</text>
        ${marks.map(({ value, low, high, hue, faint }, place) => {
          const y = 20 + ROW * (row + (place + 1) / (marks.length + 1));
          return html`<g data-hue=${hue} class=${faint ? "mark-interval faint-mark" : "mark-interval"}>
            <line x1=${across(Math.max(low, 0))} x2=${across(high)} y1=${y} y2=${y} /><circle cx=${across(Math.max(value, 0))} cy=${y} r="4" /></g>`;
        })}`)}
    </svg>
    <ul class="legend" aria-hidden="true">${kinds.map(({ name, hue, faint }) => html`<li data-hue=${hue}><span class=${faint ? "key dot hollow" : "key dot"}></span>${name}</li>`)}</ul>
  </div>`;
}

/** What is now (a dot) against what is usual (a stroke), both from 0 to 1. The numbers stand beside it. */
export const NowAndUsual = ({ now, usual, fallen }) =>
  html`<svg class=${fallen ? "now fallen" : "now"} width="72" height="14" viewBox="0 0 72 14" aria-hidden="true">
    <line class="track" x1="4" x2="68" y1="7" y2="7" /><line class="usual" x1=${4 + 64 * usual} x2=${4 + 64 * usual} y1="1" y2="13" /><circle cx=${4 + 64 * now} cy="7" r="4" />
  </svg>`;

function Axes({ width, y, across, ticks: along, xName, yName, format }) {
  const base = HEIGHT - EDGE.bottom;
  const middle = (EDGE.top + base) / 2;
  return html`<g>
    ${ticks(y.range, 5).map((value) => html`<line class="grid" x1=${EDGE.left} x2=${width - EDGE.right} y1=${y(value)} y2=${y(value)} />
      <text class="tick" x=${EDGE.left - 7} y=${y(value) + 4} text-anchor="end">${format(value)}</text>`)}
    ${along.map((value) => html`<line class="grid" x1=${across(value)} x2=${across(value)} y1=${base} y2=${base + 4} />
      <text class="tick" x=${across(value)} y=${base + 17} text-anchor="middle">${value.toLocaleString("en")}</text>`)}
    <text class="axis" x=${(EDGE.left + width - EDGE.right) / 2} y=${HEIGHT - 6} text-anchor="middle">${xName}</text>
    <text class="axis" x="12" y=${middle} text-anchor="middle" transform=${`rotate(-90 12 ${middle})`}>${yName}</text>
  </g>`;
}

/** The width that there is, in pixels; follows the window. */
export function useWidth() {
  const frame = useRef(null);
  const [width, set] = useState(560);
  useEffect(() => {
    const observer = new ResizeObserver(([{ contentRect }]) => set(Math.max(240, Math.floor(contentRect.width))));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  return [frame, width];
}

/** [range] → [pixels], linear; `range` is kept for the ticks. */
export function scale(range, [start, end]) {
  const place = (value) => start + ((value - range.from) / (range.to - range.from)) * (end - start);
  place.range = range;
  return place;
}

/** The step of about `count` round numbers over a range: 1, 2 or 5 times a power of ten. */
function step({ from, to }, count) {
  const rough = (to - from) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
}

function nice(low, high) {
  if (low === high) return { from: low, to: low + 1 };
  const size = step({ from: low, to: high }, 5);
  return { from: Math.floor(low / size + 1e-9) * size, to: Math.ceil(high / size - 0.01) * size };
}

function ticks(range, count) {
  if (!(range.to > range.from)) return [range.from];
  const size = step(range, count);
  const first = Math.ceil(range.from / size - 1e-9);
  return Array.from({ length: Math.floor(range.to / size + 1e-9) - first + 1 }, (_, place) => Number(((first + place) * size).toPrecision(12)));
}

function stack(series) {
  const tops = [];
  series.forEach(({ values }, place) => tops.push(values.map((value, at) => value + (tops[place - 1]?.[at] ?? 0))));
  return tops;
}

export const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

const line = (xs, ys) => xs.map((x, place) => `${place ? "L" : "M"}${x.toFixed(1)},${ys[place].toFixed(1)}`).join("");

const area = (xs, tops, bottoms) => `${line(xs, tops)}${line([...xs].reverse(), [...bottoms].reverse()).replace("M", "L")}Z`;
