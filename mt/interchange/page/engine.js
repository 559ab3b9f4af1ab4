// What translates for the page, in place of the server's module of this name: a worker in the browser. No text leaves it.

import { byId } from "./elements.js";
import { Refusal } from "./refusal.js";

const LINE_ENDS = /(\r\n|\r|\n)/;
const MOST_CHARACTERS = 5000;
const MOST_BEST = 8;
const MEGABYTE = 1e6;
const FEATURES = ["n_best", "alignment", "confidence", "prefix"];

const about = fetch("model/settings.json").then((answer) => answer.json());
const worker = new Worker("engine/worker.js", { type: "module" });
const waiting = new Map();
let last = 0;

worker.onmessage = ({ data }) => {
  if (data.id !== undefined) {
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) resolve(data.result);
    else reject(data.kind === "TooLong" ? new Refusal(400, data.error) : new Error(data.error));
  } else if (data.failed !== undefined) {
    say(`The model could not be loaded: ${data.failed}`);
  } else if (data.isReady) {
    say("On this device: no text leaves it");
    document.documentElement.dataset.loaded = "true";
  } else if (data.expected) {
    say(`Loading the model: ${(data.loaded / MEGABYTE).toFixed(1)} of ${(data.expected / MEGABYTE).toFixed(1)} MB`);
  }
};
worker.onerror = (event) => say(`The model could not be loaded: ${event.message ?? "this browser has no module workers"}`);

function say(text) {
  byId("model").textContent = text;
}

/** The record of a line, from the worker. */
function record(line, how, signal) {
  const id = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    signal?.addEventListener("abort", () => {
      worker.postMessage({ forget: id });
      reject(new DOMException("nobody waits", "AbortError"));
    });
    worker.postMessage({ id, line, how });
  });
}

export async function settings() {
  const files = { max_body: 0, file_endings: [] };
  return { key_required: false, max_characters: MOST_CHARACTERS, max_n_best: MOST_BEST, ...files, has_glossaries: false, has_reference: false };
}

export async function languages() {
  return (await about).pairs.map((pair) => ({ ...pair, features: FEATURES }));
}

/** Line by line, as `translate` does. */
export async function translate(asked, text, { signal, onStart = () => {}, onLine = () => {} } = {}) {
  const size = [...text].length;
  if (size > MOST_CHARACTERS) throw new Refusal(413, `characters (${size}) must be at most ${MOST_CHARACTERS}`);
  const { name } = await about;
  const { pair, how } = await howOf(asked);
  const [sentences, between] = [[], [""]];
  for (const part of text.split(LINE_ENDS)) {
    const core = part.trim();
    const start = core ? part.indexOf(core) : part.length;
    between.push(between.pop() + part.slice(0, start));
    if (!core) continue;
    sentences.push(core);
    between.push(part.slice(start + core.length));
  }
  onStart({ sentences, between });
  const lines = [];
  for (const sentence of sentences) {
    lines.push(await record(sentence, how, signal));
    onLine(lines.length - 1, lines.at(-1));
  }
  const whole = lines.map((line, at) => between[at] + line.translations[0].text).join("") + between.at(-1);
  return { source: pair.source, target: pair.target, detected: null, model: `${name}, on this device`, text: whole, lines };
}

export async function alternatives(asked, sentence, prefix, number, { signal } = {}) {
  const { how } = await howOf(asked);
  return record(sentence, { ...how, prefix, numBest: number }, signal);
}

async function howOf(asked) {
  const { pairs } = await about;
  const isAsked = (pair) => pair.target === asked.target && (asked.source === "auto" || pair.source === asked.source);
  const pair = pairs.find(isAsked) ?? pairs[0];
  return { pair, how: { tag: asked.tag ?? pair.tag ?? undefined, prefix: "", numBest: 1 } };
}

// what only a server does: the page does not offer it here

function refuse() {
  throw new Refusal(404, "there is no server");
}

export { refuse as addGlossary, refuse as deleteGlossary, refuse as glossaries, refuse as translateFile };
export function useKey() {}
