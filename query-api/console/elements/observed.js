// A value that several parts of the page look at, and that changes outside of them.
import { useEffect, useState } from "./html.js";

export class Observed {
  #value;
  #observers = new Set();

  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set(value) {
    this.#value = value;
    for (const observer of [...this.#observers]) observer(value);
  }

  observe(observer) {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }
}

export function useObserved(observed) {
  const [value, setValue] = useState(() => observed.value);
  useEffect(() => {
    // It may have changed between the drawing and this effect.
    setValue(() => observed.value);
    return observed.observe((next) => setValue(() => next));
  }, [observed]);
  return value;
}
