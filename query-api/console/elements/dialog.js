// The browser's own modal dialog: it keeps the focus inside, closes by Escape, and gives the focus back.
import { html, useId, useLayoutEffect, useRef, useState } from "./html.js";
import { ProblemNotice } from "./problem-notice.js";

export function Dialog({ title, close, children, wide }) {
  const element = useRef(null);
  const heading = useId();
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      // Closed before it is taken away, since what is behind a modal dialog takes no focus.
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const cancelled = (event) => {
    event.preventDefault();
    close();
  };
  return html`
    <dialog ref=${element} class=${wide ? "dialog wide" : "dialog"} aria-labelledby=${heading} onCancel=${cancelled}>
      <h2 id=${heading}>${title}</h2>
      ${children}
    </dialog>`;
}

// Asks before something is done, and shows why it could not be done. `act` gets what was typed as the note.
export function Confirm({ title, action, danger, note, close, act, children }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const field = useId();
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await act(text.trim());
      close();
    } catch (failure) {
      setProblem(failure);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${title} close=${close}>
      <form class="stack" onSubmit=${submit}>
        ${children}
        ${note && html`
          <div class="field">
            <label for=${field}>${note}</label>
            <textarea id=${field} rows="2" required maxlength="500" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
          </div>`}
        ${problem && html`<${ProblemNotice} problem=${problem} />`}
        <div class="row end">
          <button type="button" class="button" onClick=${close}>Cancel</button>
          <button type="submit" class=${danger ? "button danger" : "button primary"} disabled=${busy}>${action}</button>
        </div>
      </form>
    <//>`;
}
