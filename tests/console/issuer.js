// An issuer as a company has one: OpenID Connect by a server of its own, whose tokens have Depot's audience and a role.
import { createServer } from "node:http";
import Provider from "oidc-provider";

export const CLIENT = "depot-console";

// For a page at `origin`. Ends with `close`.
export async function startIssuer(origin, audience, role) {
  const server = createServer((request, response) => answer(request, response));
  let answer = (_, response) => response.writeHead(503).end();
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url, {
    // What a person who registers the console at an issuer enters: a public client with PKCE and one address.
    clients: [{
      client_id: CLIENT, redirect_uris: [`${origin}/`], token_endpoint_auth_method: "none", grant_types: ["authorization_code"], response_types: ["code"],
    }],
    clientBasedCORS: (_context, asking) => asking === origin,
    extraTokenClaims: () => ({ roles: [role] }),
    features: {
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:depot",
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: "openid", audience, accessTokenFormat: "jwt", accessTokenTTL: 600, jwt: { sign: { alg: "RS256" } } }),
      },
    },
    ttl: { Session: 600, Interaction: 600, Grant: 600, IdToken: 600 },
  });
  answer = provider.callback();
  return {
    url,
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}
