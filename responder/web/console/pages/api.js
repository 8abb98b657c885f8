// Reads the API with the session's cookie. Whoever is not logged in any more is sent to the login.
const PATIENCE = 10000; // ms
const MOST = 30; // answers kept, to be told 304
const known = new Map();

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The body of an answer, the moment it is of (ms), and the server's time now (ms). */
export async function get(path) {
  const before = known.get(path);
  const headers = before ? { "If-None-Match": before.tag } : {};
  const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 401) {
    location.replace("/login" + location.hash);
    throw new Refused(401, "Not logged in any more.");
  }
  if (answer.status !== 304 && !answer.ok) throw new Refused(answer.status, await why(answer));
  const asOf = Date.parse(answer.headers.get("Responder-As-Of"));
  const now = Math.max(asOf, Date.parse(answer.headers.get("Date")) || asOf);
  const body = answer.status === 304 ? before.body : await answer.json();
  known.delete(path);
  known.set(path, { tag: answer.headers.get("ETag"), body });
  if (known.size > MOST) known.delete(known.keys().next().value);
  return { body, asOf, now };
}

async function why(answer) {
  const said = await answer.json().catch(() => ({}));
  return said.message || `It answered ${answer.status}.`;
}
