// What a question of the API was answered, for as long as the part that asked is there.
import { useCallback, useEffect, useRef, useState } from "./html.js";

export function useAnswer(ask, key) {
  const [state, setState] = useState({ status: "loading", value: null, problem: null });
  const asked = useRef(0);
  const read = useCallback(async () => {
    const number = ++asked.current;
    setState((before) => ({ ...before, status: "loading" }));
    try {
      const value = await ask();
      if (number === asked.current) setState({ status: "ready", value, problem: null });
    } catch (problem) {
      if (number === asked.current) setState({ status: "failed", value: null, problem });
    }
  }, [key]);
  useEffect(() => {
    read();
    return () => { asked.current += 1; };
  }, [read]);
  return { ...state, reload: read };
}
