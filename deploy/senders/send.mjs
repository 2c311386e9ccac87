// Posts session ends to the exporter: node send.mjs SYSTEM CODE SESSION_ID...
// SESSION_ENDS_URL is the exporter's URL. SESSION_ENDS_TOKEN is the bearer token, if the exporter needs it.
// Node.js 18 or later: fetch is built in.

const url = process.env.SESSION_ENDS_URL ?? "http://127.0.0.1:10400/v1/session-ends";
const token = process.env.SESSION_ENDS_TOKEN;
const attempts = 8;

// Returns the exporter's answer. Each event needs an `id` that is the same in every attempt.
export async function send(events) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  for (let attempt = 0; attempt < attempts; attempt++) {
    let wait = Math.min(30, 0.5 * 2 ** attempt) * (0.5 + Math.random() / 2);
    let response, body;
    try {
      response = await fetch(url, {
        method: "POST",
        headers,
        body: JSON.stringify(events),
        signal: AbortSignal.timeout(15000),
      });
      body = await response.text();
    } catch {
      // Retry: the events may have been counted, and their ids prevent a second count.
      response = undefined;
    }
    if (response?.ok) return JSON.parse(body);
    if (response && response.status < 500 && ![408, 429].includes(response.status)) {
      throw new Error(body);
    }
    // Retry-After may be a date.
    wait = Math.max(wait, Number(response?.headers.get("Retry-After")) || 0);
    if (attempt + 1 < attempts) await new Promise((done) => setTimeout(done, wait * 1000));
  }
  throw new Error(`not delivered in ${attempts} attempts`);
}

const [system, code, ...sessions] = process.argv.slice(2);
if (!sessions.length) {
  console.error("usage: node send.mjs SYSTEM CODE SESSION_ID...");
  process.exit(2);
}
for (const session of sessions) {
  // The session id is the event's id, so a retry by any sender has the same id and is counted once.
  const answer = await send([{ id: session, system, code, session_id: session }]);
  console.log(JSON.stringify(answer));
  if (answer.rejected.length) process.exitCode = 1;
}
