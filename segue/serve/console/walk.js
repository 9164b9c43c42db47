/** What an agent did: the house as a map, the way through it step by step, and what the learned reward gives for each. */
import { html, useEffect, useState } from "./vendor/preact-htm.js";
import { Floor, floorsOf } from "./floor.js";
import { percent } from "./format.js";
import { Icon } from "./icons.js";

const PAUSE = 900;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

/** `fresh`: just asked, so it plays by itself; a logged one, or where motion is unwelcome, shows its end. */
export function Walk({ walked, goal, fresh }) {
  const { places, steps, plan } = walked;
  const last = steps.length - 1;
  const plays = fresh && !STILL.matches;
  const [at, go] = useState(plays ? 0 : last);
  const [playing, play] = useState(plays);
  useEffect(() => {
    if (!playing) return undefined;
    if (at >= last) return play(false);
    const timer = setTimeout(() => go(at + 1), PAUSE);
    return () => clearTimeout(timer);
  }, [playing, at]);

  const to = (step) => {
    play(false);
    go(Math.min(last, Math.max(0, step)));
  };
  const toggle = () => {
    if (!playing && at === last) go(0);
    play(!playing);
  };
  const keyed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const steer = { ArrowLeft: () => to(at - 1), ArrowRight: () => to(at + 1), Home: () => to(0), End: () => to(last) }[event.key];
    if (!steer) return;
    event.preventDefault();
    steer();
  };
  const floors = floorsOf(plan);
  const stands = !walked.stopped && at === last ? places.length - 1 : at;
  return html`<div class="walk-frame"><section class="walk" aria-label="The walk" onKeyDown=${keyed}>
    <div class="map">${floors.map((floor) => html`<${Floor} key=${floor} plan=${plan} floor=${floor} several=${floors.length > 1} places=${places} at=${stands} goal=${goal} />`)}</div>
    <div class="player">
      <div class="controls" role="group" aria-label="Play the walk">
        <button type="button" aria-label="Previous step" title="Previous step (←)" disabled=${at === 0} onClick=${() => to(at - 1)}><${Icon} name="back" /></button>
        <button type="button" class="primary" aria-label=${playing ? "Pause" : "Play"} onClick=${toggle}><${Icon} name=${playing ? "pause" : "play"} />${playing ? "Pause" : "Play"}</button>
        <button type="button" aria-label="Next step" title="Next step (→)" disabled=${at === last} onClick=${() => to(at + 1)}><${Icon} name="next" /></button>
        <p class="number" aria-live=${playing ? "off" : "polite"}>Step ${at + 1} of ${last + 1}<span class="unseen">: ${does(walked, at)}, reward ${signed(steps[at].reward)}</span></p>
      </div>
      <${Steps} walked=${walked} at=${at} onStep=${to} />
      <p class="verdict">${walked.stopped ? `It stopped${walked.near && ` by the ${walked.near}`}.` : "It did not stop, and was broken off."}
        ${" "}By its own reward, <b>${percent(walked.likely)}</b> likely that this was asked.</p>
    </div>
  </section></div>`;
}

/** Each step with how sure the agent was of it and its reward, as a bar from the middle: to the right what is good. */
function Steps({ walked, at, onStep }) {
  const most = Math.max(...walked.steps.map(({ reward }) => Math.abs(reward)), 1e-6);
  return html`<table class="steps">
    <caption class="unseen">The steps, and the reward of each</caption>
    <thead><tr><th scope="col">step</th><th scope="col" class="number">chance</th><th scope="col" colspan="2" class="number">reward</th></tr></thead>
    <tbody>${walked.steps.map(({ probability, reward }, number) => html`<tr key=${number} aria-current=${number === at ? "step" : null}>
      <th scope="row"><button type="button" class="quiet" onClick=${() => onStep(number)}><span class="unseen">Step </span>${number + 1}. ${does(walked, number)}</button></th>
      <td class="number">${percent(probability)}</td>
      <td class="either" aria-hidden="true"><span data-hue=${reward < 0 ? "against" : "search"} style=${{ width: `${(50 * Math.abs(reward)) / most}%`, [reward < 0 ? "right" : "left"]: "50%" }}></span></td>
      <td class="number reward">${signed(reward)}</td>
    </tr>`)}</tbody>
  </table>`;
}

/** A step in words: from which room to which, or that it stops. */
function does({ places, steps }, number) {
  const [from, to] = [places[number], places[number + 1]];
  if (steps[number].action === "stop") return "stops";
  return from.room === to.room && from.floor === to.floor ? `on in the ${from.room}` : `to the ${to.room}`;
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
