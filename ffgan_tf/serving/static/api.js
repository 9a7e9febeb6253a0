// The server's answers. Addresses are relative, so that the page also works below a path of another server.

export class Refusal extends Error {
  constructor(status, reply) {
    super(reply.error ?? `The server answered ${status}.`);
    this.status = status;
    this.reply = reply;
  }
}

async function ask(path, options = {}) {
  const response = await fetch(path, options);
  let reply = {};
  try {
    reply = await response.json();
  } catch {
    // another server in between answered with something else
  }
  if (!response.ok) throw new Refusal(response.status, reply);
  return reply;
}

const post = (path, fields, signal) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields), signal });

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

export const runs = () => ask("v1/runs").then((reply) => reply.runs);
export const vocabulary = (run) => ask(`v1/vocabulary?${new URLSearchParams({ run })}`).then((reply) => reply.words);
export const attention = (fields) => post("v1/attention", fields);

/** Images. `tell(text)` is told the place in the queue; a full queue is asked again when it says so. */
export async function generate(fields, signal, tell) {
  for (;;) {
    const ticket = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const done = new AbortController();
    follow(ticket, done.signal, tell);
    try {
      return await post("v1/generate", { ...fields, ticket }, signal);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 503) throw error;
      const seconds = Number(error.reply.retry_after) || 5;
      tell(`Many are asking. Trying again in ${seconds} s.`);
      await pause(seconds);
      signal.throwIfAborted();
    } finally {
      done.abort();
    }
  }
}

async function follow(ticket, signal, tell) {
  for (await pause(0.4); !signal.aborted; await pause(0.6)) {
    try {
      const place = await ask(`v1/queue?${new URLSearchParams({ ticket })}`, { signal });
      if (signal.aborted || !place.known) continue;
      const time = place.seconds >= 2 ? `, about ${Math.ceil(place.seconds)} s` : "";
      tell(place.ahead ? `${place.ahead} ${place.ahead === 1 ? "image" : "images"} of others first${time}.` : `Drawing${time}.`);
    } catch {
      return; // the request itself reports what is wrong
    }
  }
}
