// Says that the stream of changes is lost, and when it is tried again. The pipeline's own silence is said by its view.
import { html, useEffect, useState } from "./elements/html.js";
import { useObserved } from "./elements/observed.js";
import { Icon } from "./elements/icon.js";
import { closeStream, openStream, streamState } from "./api/stream.js";

export function ConnectionBanner() {
  const stream = useObserved(streamState);
  const isLost = stream.status === "lost" || (stream.status === "reconnecting" && stream.failures > 0);
  if (!isLost) return null;
  const now = () => {
    closeStream();
    openStream();
  };
  return html`
    <div class="banner tone-warn" data-banner="connection">
      <${Icon} name="degraded" />
      <span role="status">The live connection is lost${stream.reason ? `: ${stream.reason}` : ""}. What happens meanwhile is not lost: it comes when the connection is back.</span>
      <span class="num quiet" aria-hidden="true"><${Countdown} until=${stream.again} /></span>
      <button type="button" class="button small" onClick=${now}>Try now</button>
    </div>`;
}

function Countdown({ until }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  if (!until || until <= now) return "trying…";
  return `again in ${Math.ceil((until - now) / 1000)} s`;
}
