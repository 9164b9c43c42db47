/** An answer: its results by domain, and beside them how it came about. Used for a new answer and for a logged one. */
import { html, useMemo } from "./vendor/preact-htm.js";
import { nameOf } from "./asking.js";
import { hues } from "./bars.js";
import { Explanation } from "./explanation.js";
import { Group } from "./group.js";

/** Without `onTeach` nothing can be taught: a logged answer. */
export function AnswerView({ answer, previous, moved = new Map(), busy = false, actions = {}, taught = {}, onTeach }) {
  const hue = useMemo(() => hues(answer.hypotheses.map(({ domain }) => domain)), [answer]);
  const shown = (result) => ({
    answer,
    result,
    memory: answer.trace.memory?.[nameOf(result)],
    change: moved.get(nameOf(result)),
    taught: taught[nameOf(result)] ?? [],
    position: answer.results.indexOf(result) + 1,
  });
  return html`<div class="answer" aria-busy=${String(busy)}>
    <${Explanation} answer=${answer} hue=${hue} />
    <div class="groups">
      ${answer.hypotheses.map(
        (hypothesis) => html`<${Group} key=${hypothesis.domain} hypothesis=${hypothesis} hue=${hue(hypothesis.domain)}
          before=${previous?.hypotheses.find(({ domain }) => domain === hypothesis.domain)?.confidence}
          results=${answer.results.filter(({ domain }) => domain === hypothesis.domain).map(shown)}
          walked=${answer.results[0]?.domain === hypothesis.domain ? answer.walked : null} actions=${actions} onTeach=${onTeach} />`,
      )}
    </div>
  </div>`;
}
