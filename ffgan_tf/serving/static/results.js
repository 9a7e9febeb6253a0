// The images, their sentences word by word, and the light of a word's attention on the images.
// What was typed is set as text, never as markup.

import { attention } from "./api.js";

const dataUrl = (png) => `data:image/png;base64,${png}`;
const percent = (share) => `${Math.round(100 * share)} %`;

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "image";

/** Empty places of the right number, for the time until the images come. */
export function showPlaces(place, texts, count) {
  place.className = texts > 1 ? "pair" : "";
  place.replaceChildren(...Array.from({ length: texts }, () => make("article", {}, make("p", { class: "words" }, "\u00a0"),
    make("div", { class: `images of${Math.min(count, 4)}` }, ...Array.from({ length: count }, () => make("div", { class: "frame empty" }))))));
}

/** The sentence without a known word: all struck through. */
export function showUnknown(place, reply) {
  place.className = "";
  const words = make("p", { class: "words" });
  for (const token of reply.tokens ?? []) words.append(wordOf(token), " ");
  place.replaceChildren(make("article", {}, words));
}

function wordOf(token, number) {
  if (token.status === "used") {
    return make("button", { type: "button", class: "word", "data-word": number, "aria-pressed": "false" }, token.word);
  }
  const why = token.status === "cut" ? "beyond 25 words, not used" : "not known, left out";
  return make("s", { title: why }, make("span", { class: "unseen" }, `(${why}:) `), token.word);
}

/** Shows a reply of v1/generate. */
export function showResults(place, reply) {
  place.className = reply.results.length > 1 ? "pair" : "";
  place.replaceChildren(...reply.results.map((result) => new Result(reply, result).element));
}

class Result {
  constructor(reply, result) {
    this.reply = reply;
    this.result = result;
    this.level = 0;
    this.shown = this.pinned = null;
    this.maps = new Map(); // number of the image → promise of its attention
    this.figures = result.images.map((image) => this.figure(image));
    this.words = make("p", { class: "words" });
    let number = 0;
    for (const token of result.tokens) this.words.append(wordOf(token, token.status === "used" ? number++ : null), " ");
    this.note = make("p", { class: "note", role: "status" });
    this.levels = make("span", { class: "levels", role: "group", "aria-label": "Which attention" },
      ...["A₁ coarse", "A₂ fine"].map((name, i) =>
        make("button", { type: "button", "data-level": i, "aria-pressed": String(i === 0) }, name)));
    this.element = make("article", {}, this.words, make("div", { class: "tools" }, this.note, this.levels),
      make("div", { class: `images of${Math.min(result.images.length, 4)}` }, ...this.figures));
    this.tell();
    this.listen();
  }

  figure(image) {
    const { reply, result } = this;
    const settings = `seed ${reply.seed}${image.number ? `, no. ${image.number + 1}` : ""}`;
    const picture = make("img", { src: dataUrl(image.png), alt: `${result.text} (${settings})`, width: reply.image_size, height: reply.image_size });
    const file = `${slug(result.text)}-${reply.seed}-${image.number + 1}.png`;
    return make("figure", {},
      make("div", { class: "frame" }, picture, make("img", { class: "light", alt: "", "aria-hidden": "true" })),
      make("figcaption", {}, make("span", {}, settings),
        make("a", { href: dataUrl(image.png), download: file, "aria-label": `Download ${file}` }, "PNG")));
  }

  listen() {
    const words = this.words;
    const wordIn = (event) => (event.target.closest?.(".word") ? Number(event.target.closest(".word").dataset.word) : null);
    words.addEventListener("pointerover", (event) => event.pointerType !== "touch" && wordIn(event) !== null && this.show(wordIn(event)));
    words.addEventListener("pointerout", (event) => event.pointerType !== "touch" && this.show(this.pinned));
    words.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && this.show(wordIn(event)));
    words.addEventListener("focusout", () => this.show(this.pinned));
    words.addEventListener("click", (event) => wordIn(event) !== null && this.pin(wordIn(event)));
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && this.pin(this.pinned));
    this.levels.addEventListener("click", (event) => {
      if (!event.target.dataset.level) return;
      this.level = Number(event.target.dataset.level);
      for (const button of this.levels.children) button.setAttribute("aria-pressed", String(button === event.target));
      this.show(this.shown);
    });
  }

  pin(word) {
    this.pinned = this.pinned === word ? null : word;
    for (const button of this.words.querySelectorAll(".word")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.word) === this.pinned));
    }
    this.show(this.pinned);
  }

  async show(word) {
    this.shown = word;
    for (const button of this.words.querySelectorAll(".word")) button.classList.toggle("lit", Number(button.dataset.word) === word);
    if (word === null) {
      for (const figure of this.figures) figure.classList.remove("lit");
      this.tell();
      return;
    }
    const level = this.level;
    for (const [number, figure] of this.figures.entries()) {
      let map;
      try {
        map = (await this.attention(number)).levels[level].words[word];
      } catch (error) {
        this.note.textContent = error.message;
        return;
      }
      if (this.shown !== word || this.level !== level) return;
      figure.querySelector(".light").src = dataUrl(map.png);
      figure.classList.add("lit");
      if (number === 0) {
        const of = this.figures.length > 1 ? " in the first image" : "";
        this.note.textContent = `“${this.result.words[word]}”: ${percent(map.mean)} of the attention${of}, at most ${percent(map.peak)} at a point`;
      }
    }
  }

  tell() {
    this.note.textContent = "Point at a word to see where it is attended to.";
  }

  attention(number) {
    if (!this.maps.has(number)) {
      const { run, seed, truncation } = this.reply;
      const found = attention({ text: this.result.text, seed, number, truncation, run });
      found.catch(() => this.maps.delete(number)); // asked again the next time
      this.maps.set(number, found);
    }
    return this.maps.get(number);
  }
}
