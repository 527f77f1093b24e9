// A token by `POST /dev/token`, which is there in development alone.
import { QUERY, call } from "../api/request.js";

export async function developmentToken(sub, role) {
  return (await call(QUERY, "POST", "/dev/token", { json: { sub, role } })).body.token;
}
