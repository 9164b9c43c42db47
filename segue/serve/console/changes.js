/** What has changed between two answers to the same query. */
import { nameOf } from "./asking.js";

/** Result name → { up: places } (below 0: down), or { fresh: true }; places are counted inside each domain. */
export function changes(answer, previous) {
  if (!previous) return new Map();
  const before = places(previous);
  const moved = new Map();
  for (const [name, place] of places(answer)) {
    if (!before.has(name)) moved.set(name, { fresh: true });
    else if (before.get(name) !== place) moved.set(name, { up: before.get(name) - place });
  }
  return moved;
}

/** "2 moved up, 3 moved down, 1 new" */
export function summary(moved) {
  const all = [...moved.values()];
  const parts = [
    [all.filter(({ up }) => up > 0).length, "moved up"],
    [all.filter(({ up }) => up < 0).length, "moved down"],
    [all.filter(({ fresh }) => fresh).length, "new"],
  ];
  return parts.filter(([many]) => many).map(([many, how]) => `${many} ${how}`).join(", ") || "same order";
}

function places(answer) {
  const counted = {};
  return new Map(
    answer.results.map((result) => {
      counted[result.domain] = (counted[result.domain] ?? 0) + 1;
      return [nameOf(result), counted[result.domain]];
    }),
  );
}
