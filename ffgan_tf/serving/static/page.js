// The form, the address and what follows from them.

import * as api from "./api.js";
import { Earlier } from "./history.js";
import { make, showPlaces, showResults, showUnknown } from "./results.js";
import { readAddress, writeAddress } from "./state.js";

const find = (id) => document.getElementById(id);
const [form, text, text2, second, status, results] = ["ask", "text", "text2", "second", "status", "results"].map(find);
const earlier = new Earlier(find("history"));
let runs = [];
let running = null; // AbortController of the request under way

const say = (message, wrong = false) => {
  status.textContent = message;
  status.classList.toggle("wrong", wrong);
};

function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

function choose(select, value) {
  if (![...select.options].some((option) => option.value === String(value))) select.add(new Option(value, value));
  select.value = String(value);
}

const chosenRun = () => runs.find((run) => run.run === find("run").value) ?? runs[0];

function showSecond(visible) {
  second.hidden = !visible;
  find("compare").setAttribute("aria-expanded", String(visible));
  find("compare").textContent = visible ? "One sentence" : "Compare";
  fit(text2);
}

function describeRun() {
  const run = chosenRun();
  const moving = run.ema ? ", moving average" : "";
  const name = runs.length > 1 ? "" : `${run.run} · `;
  find("model").textContent = `${name}step ${run.step.toLocaleString("en")}${moving} · ${run.image_size} × ${run.image_size}`;
  find("examples").replaceChildren(...run.examples.map((example) => {
    const chip = make("button", { type: "button", class: "chip" }, example);
    chip.addEventListener("click", () => {
      text.value = example;
      fit(text);
      form.requestSubmit();
    });
    return chip;
  }));
  listed = null;
  find("vocabulary").querySelector("summary").textContent = `The ${run.vocabulary.toLocaleString("en")} words this model knows`;
  if (find("vocabulary").open) listWords();
}

function fillForm(state) {
  [text.value, text2.value] = [state.texts[0] ?? "", state.texts[1] ?? ""];
  showSecond(state.texts.length > 1);
  find("seed").value = state.seed;
  choose(find("count"), state.count);
  choose(find("truncation"), state.truncation);
  if (state.run && runs.some((run) => run.run === state.run)) find("run").value = state.run;
  describeRun();
  fit(text);
}

function readForm() {
  const texts = [text.value.trim()];
  if (!second.hidden && text2.value.trim()) texts.push(text2.value.trim());
  return {
    texts,
    seed: Number(find("seed").value),
    count: Number(find("count").value),
    truncation: Number(find("truncation").value),
    run: chosenRun().run,
  };
}

async function draw(state) {
  running?.abort();
  const own = (running = new AbortController());
  document.title = `${state.texts.join(" · ")} – FF-GAN`;
  results.setAttribute("aria-busy", "true");
  showPlaces(results, state.texts.length, state.count);
  say("Drawing.");
  try {
    const reply = await api.generate(state, own.signal, (message) => own.signal.aborted || say(message));
    if (own.signal.aborted) return;
    showResults(results, reply);
    const number = reply.count * reply.results.length;
    say(`${number} ${number === 1 ? "image" : "images"} in ${reply.seconds.toFixed(1)} s.`);
    await earlier.add(state, reply);
  } catch (error) {
    if (own.signal.aborted) return;
    results.replaceChildren();
    if (error.reply?.tokens) {
      showUnknown(results, error.reply);
      say("This model knows none of these words. Those it knows are listed below.", true);
    } else {
      say(error instanceof api.Refusal ? error.message : "The server does not answer. Is it still running?", true);
    }
  } finally {
    if (running === own) results.removeAttribute("aria-busy");
  }
}

let listed = null; // the run's words, once they are asked for

async function listWords() {
  const place = find("vocabulary").querySelector("p");
  try {
    listed ??= await api.vocabulary(chosenRun().run);
  } catch (error) {
    place.textContent = error.message;
    return;
  }
  const part = find("find").value.trim().toLowerCase();
  const fitting = listed.filter((word) => word.includes(part));
  place.textContent = fitting.slice(0, 600).join("  ") + (fitting.length > 600 ? "  …" : "") || "None.";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const state = readForm();
  if (!state.texts[0]) return text.focus();
  writeAddress(state);
  draw(state);
});
for (const area of [text, text2]) {
  area.addEventListener("input", () => fit(area));
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
}
find("dice").addEventListener("click", () => {
  find("seed").value = crypto.getRandomValues(new Uint16Array(1))[0];
  if (text.value.trim()) form.requestSubmit();
});
find("compare").addEventListener("click", () => {
  showSecond(second.hidden);
  if (second.hidden) return;
  text2.value ||= text.value;
  fit(text2);
  text2.focus();
});
find("run").addEventListener("change", () => {
  describeRun();
  if (text.value.trim()) form.requestSubmit();
});
find("vocabulary").addEventListener("toggle", () => find("vocabulary").open && listWords());
find("find").addEventListener("input", listWords);

function follow() {
  const state = readAddress();
  fillForm(state);
  if (state.texts.length) draw(readForm());
  else text.focus();
}
addEventListener("popstate", follow); // Back, Forward, and a link of the history

try {
  runs = await api.runs();
  find("run").replaceChildren(...runs.map((run) => new Option(run.run, run.run)));
  find("run").hidden = runs.length < 2;
  follow();
} catch (error) {
  say(error instanceof api.Refusal ? error.message : "The server does not answer. Is it still running?", true);
}
