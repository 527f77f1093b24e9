// Redrives or discards all letters that a filter means. How many that are is asked before, by a dry run.
import { html, useEffect, useId, useState } from "../elements/html.js";
import { Confirm } from "../elements/dialog.js";
import { ProblemNotice } from "../elements/problem-notice.js";
import { discardAll, redriveAll } from "../api/admin.js";
import { count } from "../format/numbers.js";

// A dry run of a discard wants a note as well; it is not kept.
const TRY = "a dry run";

export function RedriveAll({ filter, close, done }) {
  const counted = useCount(() => redriveAll(filter, null, true));
  const [rate, setRate] = useState(50);
  const field = useId();
  return html`
    <${Confirm} title="Redrive these letters?" action=${`Redrive ${count(counted.number)}`} close=${close}
      act=${async () => { await redriveAll(filter, rate, false); done(); }}>
      <${Counted} counted=${counted} filter=${filter} />
      <p>Each goes to the retry topic of its group, and is handled there as from its origin. What fails again comes back. This is in the audit.</p>
      <div class="field">
        <label for=${field}>Letters a second</label>
        <input id=${field} type="number" min="1" max="1000" required value=${rate} onInput=${(event) => setRate(Number(event.target.value))} />
      </div>
    <//>`;
}

export function DiscardAll({ filter, close, done }) {
  const counted = useCount(() => discardAll(filter, TRY, true));
  return html`
    <${Confirm} title="Discard these letters?" action=${`Discard ${count(counted.number)}`} danger note="Why they are given up" close=${close}
      act=${async (note) => { await discardAll(filter, note, false); done(); }}>
      <${Counted} counted=${counted} filter=${filter} />
      <p>They will not be handled. They stay in their topics, and the note is in the audit.</p>
    <//>`;
}

function useCount(ask) {
  const [state, setState] = useState({ number: null, problem: null });
  useEffect(() => {
    ask().then((number) => setState({ number, problem: null }), (problem) => setState({ number: null, problem }));
  }, []);
  return state;
}

function Counted({ counted: { number, problem }, filter }) {
  if (problem) return html`<${ProblemNotice} problem=${problem} />`;
  const named = Object.entries(filter);
  const which = named.length === 0 ? html`<strong>all open letters</strong>` : named.map(([name, value]) => html`<span key=${name}>${name} <code>${value}</code> </span>`);
  return html`<p>Meant are ${which}: <strong class="num">${number === null ? "counting…" : `${count(number)} letters`}</strong>.</p>`;
}
