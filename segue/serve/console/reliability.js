/** A reliability diagram: how often what was read was right, by how sure it was; and how many requests stand behind each point. */
import { html, useState } from "./vendor/preact-htm.js";
import { EDGE, Figure, scale, useWidth } from "./charts.js";
import { count, number, percent } from "./format.js";

const TALLEST = 300;
const COUNTS = 54;
const RIGHT = 24;
const TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1];

/** `arms`: [{ name, hue, dashed, bins: [{ from, to, requests, confidence, accuracy, low, high }] }], drawn over each other. */
export function Reliability({ title, note, arms }) {
  const ranges = [...new Map(arms.flatMap(({ bins }) => bins.map(({ from, to }) => [from, { from, to }]))).values()].sort((one, other) => one.from - other.from);
  const rows = ranges.map((range) => [span(range), ...arms.flatMap(({ bins }) => cells(bins.find(({ from }) => from === range.from)))]);
  const head = ["confidence", ...arms.flatMap(({ name }) => [`${name}: requests`, "right", "95 % interval"])];
  return html`<${Figure} title=${title} note=${note} table=${{ head, rows }}>
    ${ranges.length ? html`<${Diagram} title=${title} arms=${arms} ranges=${ranges} />` : html`<p class="faint">No request went to this domain.</p>`}
  <//>`;
}

const cells = (bin) => (bin ? [number(bin.requests), percent(bin.accuracy), `${percent(bin.low)} to ${percent(bin.high)}`] : ["0", "–", "–"]);

function Diagram({ title, arms, ranges }) {
  const [frame, width] = useWidth();
  const [at, point] = useState(null);
  const size = Math.min(width - EDGE.left - RIGHT, TALLEST);
  const base = EDGE.top + size;
  const bottom = base + COUNTS;
  const height = bottom + EDGE.bottom;
  const right = Math.max(EDGE.left + size, width - RIGHT);
  const across = scale({ from: 0, to: 1 }, [EDGE.left, right]);
  const up = scale({ from: 0, to: 1 }, [base, EDGE.top]);
  const most = Math.max(1, ...arms.flatMap(({ bins }) => bins.map(({ requests }) => requests)));
  const move = (event) => {
    const share = (event.clientX - event.currentTarget.getBoundingClientRect().left - EDGE.left) / (right - EDGE.left);
    point(ranges.find(({ from, to }) => share >= from && share < to)?.from ?? null);
  };
  return html`<div class="chart-frame" ref=${frame}>
    <svg class="reliability" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${told(title, arms)} onPointerMove=${move} onPointerLeave=${() => point(null)}>
      ${TICKS.map((value) => html`<line class="grid" x1=${EDGE.left} x2=${right} y1=${up(value)} y2=${up(value)} />
        <text class="tick" x=${EDGE.left - 7} y=${up(value) + 4} text-anchor="end">${percent(value)}</text>
        <text class="tick" x=${across(value)} y=${bottom + 17} text-anchor="middle">${percent(value)}</text>`)}
      <line class="grid" x1=${EDGE.left} x2=${right} y1=${bottom} y2=${bottom} />
      <text class="tick" x=${EDGE.left - 7} y=${bottom - COUNTS * 0.4} text-anchor="end">requests</text>
      <text class="axis" x=${(EDGE.left + right) / 2} y=${height - 6} text-anchor="middle">confidence</text>
      <text class="axis" x="12" y=${(EDGE.top + base) / 2} text-anchor="middle" transform=${`rotate(-90 12 ${(EDGE.top + base) / 2})`}>share that was right</text>
      ${at !== null && html`<rect class="band" x=${across(at)} y=${EDGE.top} width=${across(ranges.find(({ from }) => from === at).to) - across(at)} height=${bottom - EDGE.top} />`}
      <line class="level" x1=${across(0)} y1=${up(0)} x2=${across(1)} y2=${up(1)} />
      ${arms.map(({ name, hue, dashed, bins }, place) => html`<g key=${name} data-hue=${hue} class=${dashed ? "arm hollow" : "arm"}>
        <path class=${dashed ? "line dashed" : "line"} d=${bins.map(({ confidence, accuracy }, nth) => `${nth ? "L" : "M"}${across(confidence).toFixed(1)},${up(accuracy).toFixed(1)}`).join("")} />
        ${bins.map(({ from, to, requests, confidence, accuracy, low, high }) => html`
          <line class="reach" x1=${across(confidence)} x2=${across(confidence)} y1=${up(low)} y2=${up(high)} />
          <circle cx=${across(confidence)} cy=${up(accuracy)} r=${2.5 + 3.5 * Math.sqrt(requests / most)} />
          <rect class="bin" x=${across(from) + 2 + ((across(to) - across(from) - 4) / arms.length) * place} width=${(across(to) - across(from) - 4) / arms.length - 1}
            y=${bottom - tall(requests, most)} height=${tall(requests, most)} />`)}
      </g>`)}
    </svg>
    <${Legend} arms=${arms} at=${ranges.find(({ from }) => from === at)} />
  </div>`;
}

/** Of the bin under the pointer, else what each arm's line is. */
const Legend = ({ arms, at }) => html`<ul class="legend" aria-hidden="true">
  <li class="where">confidence ${at ? span(at) : "in bins"}</li>
  ${arms.map(({ name, hue, dashed, bins }) => {
    const bin = at && bins.find(({ from }) => from === at.from);
    return html`<li key=${name} data-hue=${hue}><span class=${dashed ? "key dashed" : "key"}></span>${name}${at && html` <b class="number">${bin ? `${percent(bin.accuracy)} of ${number(bin.requests)}` : "none"}</b>`}</li>`;
  })}
  <li data-hue="plain"><span class="key dotted"></span>true confidences</li>
</ul>`;

/** The root makes small bins visible beside large ones. */
const tall = (requests, most) => (requests ? Math.max(1.5, (COUNTS - 12) * Math.sqrt(requests / most)) : 0);

const span = ({ from, to }) => `${Math.round(100 * from)}–${Math.round(100 * to)} %`;

function told(title, arms) {
  const parts = arms.map(({ name, bins }) => {
    const all = bins.reduce((sum, { requests }) => sum + requests, 0);
    const off = bins.toSorted((one, other) => Math.abs(other.accuracy - other.confidence) - Math.abs(one.accuracy - one.confidence))[0];
    return off ? `${name}: ${count(all, "request")}, furthest off at ${span(off)}, where ${percent(off.accuracy)} was right` : `${name}: no request`;
  });
  return `${title}. ${parts.join(". ")}.`;
}
