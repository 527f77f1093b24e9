// A list by keyset cursors: one page is in the document at a time, however long the list is. The way back is the cursors
// that led here, since a cursor only goes forward.
import { html, useCallback, useEffect, useRef, useState } from "./html.js";

export function usePages(load, key) {
  const [trail, setTrail] = useState({ key, cursors: [null] });
  const [state, setState] = useState({ status: "loading" });
  const asked = useRef(0);
  // A cursor is of its filter: another one begins at the beginning.
  const cursors = trail.key === key ? trail.cursors : [null];
  const cursor = cursors.at(-1);
  const read = useCallback(async () => {
    const number = ++asked.current;
    setState((before) => ({ ...before, status: before.rows ? "refreshing" : "loading", problem: null }));
    try {
      const { rows, next } = await load(cursor);
      // An answer that was overtaken by another filter or page says nothing any more.
      if (number === asked.current) setState({ status: "ready", rows, next });
    } catch (problem) {
      if (number === asked.current) setState((before) => ({ ...before, status: "failed", problem }));
    }
  }, [key, cursor]);
  useEffect(() => {
    read();
    return () => { asked.current += 1; };
  }, [read]);
  return {
    ...state,
    page: cursors.length,
    reload: read,
    forward: () => setTrail({ key, cursors: [...cursors, state.next] }),
    back: () => setTrail({ key, cursors: cursors.slice(0, -1) }),
  };
}

export function PageButtons({ pages, what }) {
  const busy = pages.status === "loading" || pages.status === "refreshing";
  return html`
    <nav class="row pages" aria-label=${`Pages of ${what}`}>
      <button type="button" class="button" disabled=${busy || pages.page === 1} onClick=${pages.back}>Previous</button>
      <span class="num quiet">Page ${pages.page}</span>
      <button type="button" class="button" disabled=${busy || !pages.next} onClick=${pages.forward}>Next</button>
    </nav>`;
}
