// Says two minutes before that a token ends, and when it has ended; the way to the next one is beside it.
import { html, useEffect, useState } from "../elements/html.js";
import { useObserved } from "../elements/observed.js";
import { Icon } from "../elements/icon.js";
import { session } from "./session.js";

const WARN_BEFORE = 120_000;

export function ExpiryBanner({ renew }) {
  const { expiresAt, isExpired, token } = useObserved(session);
  const [isNear, setIsNear] = useState(false);
  useEffect(() => {
    setIsNear(false);
    if (!token || !expiresAt) return undefined;
    const wait = expiresAt - WARN_BEFORE - Date.now();
    // A timer takes 24 days at most; a page that is open for longer is warned by the refusal.
    if (wait > 2_000_000_000) return undefined;
    const timer = setTimeout(() => setIsNear(true), Math.max(0, wait));
    return () => clearTimeout(timer);
  }, [token, expiresAt]);
  if (!isExpired && !isNear) return null;
  return html`
    <div class=${`banner tone-${isExpired ? "bad" : "warn"}`} role="alert" data-banner="token">
      <${Icon} name="degraded" />
      <span>${isExpired ? "Your token has expired: what you see stands still." : "Your token ends in less than two minutes."}</span>
      <button type="button" class="button small" onClick=${renew}>Get a new one</button>
    </div>`;
}
