/** One floor of a house as a map: rooms, doors, things, and as much of a walk as has been walked. Metres, north is up. */
import { html } from "./vendor/preact-htm.js";

const MARGIN = 0.3;
const WALL = 0.12;
const NAME = 0.42;
const LABEL = 0.27;
/** What hangs on walls is drawn and not named: there is no room for that. */
const HUNG = ["window", "painting", "mirror", "clock", "towel rack"];

/** `plan` as the server gives it; `at` is the number of the place where the walker stands; `goal` is the { room, thing } to mark. */
export function Floor({ plan, floor, several, places, at, goal }) {
  const rooms = plan.rooms.filter((room) => room.floor === floor || room.kind === "stairs");
  const [west, south] = ["west", "south"].map((side) => Math.min(...rooms.map((room) => room[side])) - MARGIN);
  const [east, north] = ["east", "north"].map((side) => Math.max(...rooms.map((room) => room[side])) + MARGIN);
  const things = plan.things.filter((thing) => thing.floor === floor && thing.name !== "stairs").map((thing) => ({
    ...thing,
    wanted: thing.name === goal.thing && [undefined, plan.rooms[thing.room].kind].includes(goal.room),
  }));
  const here = places[at];
  const stands = floorOf(places, at) === floor;
  const name = several ? `${floor ? "Upstairs" : "Downstairs"}: ` : "";
  return html`<svg class="floor" viewBox=${`${west} ${-north} ${east - west} ${north - south}`} style=${{ "--ratio": (east - west) / (north - south) }}
    role="img" aria-label=${`${name}${several ? "" : "The house: "}${rooms.map(({ kind }) => kind).join(", ")}. ${stands ? `The agent stands in the ${here.room}.` : ""}`}>
    ${rooms.map((room) => html`<rect class=${room.kind === here.room && stands && inside(here, room) ? "room here" : "room"}
      x=${room.west} y=${-room.north} width=${room.east - room.west} height=${room.north - room.south} stroke-width=${WALL} />`)}
    ${plan.doors.filter((door) => door.floor === floor).map(({ x, y, width, across }) =>
      across === "x"
        ? html`<line class="door" x1=${x} x2=${x} y1=${-y - width / 2} y2=${-y + width / 2} stroke-width=${1.5 * WALL} />`
        : html`<line class="door" x1=${x - width / 2} x2=${x + width / 2} y1=${-y} y2=${-y} stroke-width=${1.5 * WALL} />`,
    )}
    ${things.map(({ name, x, y, radius, wanted }) => html`<g class=${wanted ? "thing wanted" : "thing"}>
      <circle cx=${x} cy=${-y} r=${HUNG.includes(name) ? 0.1 : Math.min(0.4, Math.max(0.1, 0.5 * radius))} stroke-width="0.04" /><title>${name}</title></g>`)}
    <g aria-hidden="true">
      ${things.filter(({ name, wanted }) => wanted || !HUNG.includes(name)).map(({ name, x, y, room, wanted }) =>
        html`<text class=${wanted ? "thing-name wanted" : "thing-name"} y=${-y + LABEL / 3} font-size=${LABEL} ...${beside(x, name, plan.rooms[room])}>${name}</text>`)}
      ${rooms.map((room) => html`<text class="room-name" x=${(room.west + room.east) / 2} y=${-(room.north + room.south) / 2} font-size=${fitting(room, NAME)}>${room.kind}</text>`)}
    </g>
    ${legs(places, floor).map(({ from, to, number }) => html`<line key=${number} class=${number <= at ? "leg walked" : "leg"} x1=${from.x} y1=${-from.y} x2=${to.x} y2=${-to.y} stroke-width=${number <= at ? 0.13 : 0.07} />`)}
    ${places.map((place, number) => floorOf(places, number) === floor && html`<circle class=${number <= at ? "stop walked" : "stop"} cx=${place.x} cy=${-place.y} r="0.13" stroke-width="0.06" />`)}
    ${stands && html`<g class="walker" style=${{ transform: `translate(${here.x}px, ${-here.y}px) rotate(${here.heading}deg)` }}>
      <path d="M0,-0.42 0.28,0.3 0,0.16 -0.28,0.3z" stroke-width="0.06" /></g>`}
  </svg>`;
}

/** The floors on which a house has rooms, from below. */
export const floorsOf = (plan) => [...new Set(plan.rooms.map(({ floor }) => floor))].sort();

/** Stairs are drawn on the floor that one comes from. */
const floorOf = (places, number) => (places[number].room === "stairs" ? (places[number - 1] ?? places[number]).floor : places[number].floor);

const legs = (places, floor) =>
  places.slice(1)
    .map((to, place) => ({ from: places[place], to, number: place + 1 }))
    .filter(({ from, to }) => [from, to].every((one) => one.room === "stairs" || one.floor === floor));

const inside = ({ x, y }, room) => x >= room.west && x <= room.east && y >= room.south && y <= room.north;

/** A name no wider than its room: a letter is about half as wide as it is high. */
const fitting = (room, size) => Math.min(size, (1.7 * (room.east - room.west - 0.2)) / room.kind.length).toFixed(2);

/** A name in the middle of its thing, or along the wall that is too near for that. */
function beside(x, name, { west, east }) {
  const half = 0.28 * LABEL * name.length;
  if (x - half < west) return { x: west + WALL, "text-anchor": "start" };
  if (x + half > east) return { x: east - WALL, "text-anchor": "end" };
  return { x, "text-anchor": "middle" };
}
