// What was made earlier in this browser: states and thumbnails, never the images, which the state makes again.

import { make } from "./results.js";
import { addressOf } from "./state.js";

const KEY = "ffgan-history";
const MOST = 18;
const SIDE = 72; // pixels of a thumbnail

function load() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(found) ? found : [];
  } catch {
    return []; // storage is refused, or holds something else
  }
}

function save(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // full or refused: the history ends with this page
  }
}

async function thumbnail(png) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = make("canvas", { width: SIDE, height: SIDE });
  canvas.getContext("2d").drawImage(image, 0, 0, SIDE, SIDE);
  return canvas.toDataURL("image/jpeg", 0.8);
}

export class Earlier {
  /** `section` holds the list and the button that clears it. */
  constructor(section) {
    this.section = section;
    this.entries = load();
    section.querySelector("#forget").addEventListener("click", () => {
      this.entries = [];
      save([]);
      this.draw();
    });
    this.draw();
  }

  async add(state, reply) {
    const images = await Promise.all(reply.results.map((result) => thumbnail(result.images[0].png)));
    const address = addressOf(state);
    this.entries = [{ address, texts: state.texts, images }, ...this.entries.filter((entry) => entry.address !== address)].slice(0, MOST);
    save(this.entries);
    this.draw();
  }

  draw() {
    this.section.hidden = this.entries.length === 0;
    this.section.querySelector("ol").replaceChildren(...this.entries.map((entry) => {
      const text = entry.texts.join(" · ");
      // An address of this page, checked before it becomes a link: storage could hold anything.
      const address = String(entry.address).startsWith("#") ? entry.address : "#";
      const pictures = entry.images.filter((image) => String(image).startsWith("data:image/jpeg;"));
      return make("li", {}, make("a", { href: address, title: text },
        make("span", { class: "thumbs" }, ...pictures.map((image) => make("img", { src: image, alt: "", width: SIDE, height: SIDE }))), make("span", {}, text)));
    }));
  }
}
