// What the page shows, kept in the address's fragment: a link makes the same images again. A fragment stays in the
// browser; what was typed stands in no server's log.

const NUMBERS = { seed: 1, count: 4, truncation: 0 };

/** The state in the address; `texts` is empty where there is none. */
export function readAddress() {
  const found = new URLSearchParams(location.hash.slice(1));
  const state = { texts: ["text", "text2"].map((name) => found.get(name) ?? "").filter(Boolean), run: found.get("run") };
  for (const [name, usual] of Object.entries(NUMBERS)) {
    const value = Number(found.get(name) ?? usual);
    state[name] = Number.isFinite(value) && value >= 0 ? value : usual;
  }
  state.seed = Math.min(Math.round(state.seed), Number.MAX_SAFE_INTEGER);
  state.count = Math.max(1, Math.round(state.count));
  return state;
}

/** The fragment of a state. */
export function addressOf(state) {
  const fields = new URLSearchParams();
  state.texts.forEach((text, i) => fields.set(i ? "text2" : "text", text));
  for (const name of Object.keys(NUMBERS)) fields.set(name, state[name]);
  if (state.run) fields.set("run", state.run);
  return `#${fields}`;
}

/** Puts a state into the address, as a step that the browser's Back undoes. */
export function writeAddress(state) {
  const address = addressOf(state);
  if (address !== location.hash) history.pushState(null, "", address);
}
