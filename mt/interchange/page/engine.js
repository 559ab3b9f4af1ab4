// What translates for the page, in place of the server's module of this name: a worker in the browser. No text leaves it.

import { byId } from "./elements.js";
import { Refusal } from "./refusal.js";

const MOST_CHARACTERS = 5000;
const MOST_BEST = 8;
const MEGABYTE = 1e6;
const MOST_BYTES = 2 * MEGABYTE; // of a file
const FEATURES = ["n_best", "alignment", "confidence", "coverage", "markup", "prefix", "terms"];
const FILE_ENDINGS = [".txt", ".text", ".srt", ".vtt"]; // those of engine/files.js
const LISTS = "terms"; // stored lists of terms, in this browser

const about = fetch("model/settings.json").then((answer) => answer.json());
const worker = new Worker("engine/worker.js", { type: "module" });
const waiting = new Map();
let last = 0;

worker.onmessage = ({ data }) => {
  if (data.id !== undefined) {
    const { resolve, reject, onProgress } = waiting.get(data.id);
    if (data.progress !== undefined) {
      onProgress(data.progress);
      return;
    }
    waiting.delete(data.id);
    if (data.error === undefined) resolve(data.result);
    else reject(data.isRefused ? new Refusal(400, data.error) : new Error(data.error));
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

/** What the worker answers to a question of this name. */
function ask(name, given, { signal, onProgress = () => {} } = {}) {
  const id = ++last;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject, onProgress });
    signal?.addEventListener("abort", () => {
      worker.postMessage({ forget: id });
      reject(new DOMException("nobody waits", "AbortError"));
    });
    worker.postMessage({ id, name, given });
  });
}

export async function settings() {
  const files = { max_body: MOST_BYTES, file_endings: FILE_ENDINGS };
  return { key_required: false, max_characters: MOST_CHARACTERS, max_n_best: MOST_BEST, ...files, has_glossaries: true, has_reference: false };
}

export async function languages() {
  return (await about).pairs.map((pair) => ({ ...pair, features: FEATURES }));
}

/** Sentence by sentence, as the server does. */
export async function translate(asked, text, { signal, onStart = () => {}, onLine = () => {} } = {}) {
  const size = [...text].length;
  if (size > MOST_CHARACTERS) throw new Refusal(413, `characters (${size}) must be at most ${MOST_CHARACTERS}`);
  const { name } = await about;
  const { pair, how } = await howOf(asked);
  const { sentences, between } = await ask("parts", { text }, { signal });
  onStart({ sentences, between });
  const lines = [];
  for (const line of sentences) {
    lines.push(await ask("record", { line, how }, { signal }));
    onLine(lines.length - 1, lines.at(-1));
  }
  const whole = lines.map((line, at) => between[at] + line.translations[0].text).join("") + between.at(-1);
  return { source: pair.source, target: pair.target, detected: null, model: `${name}, on this device`, text: whole, lines };
}

export async function alternatives(asked, sentence, prefix, numBest, { signal } = {}) {
  const { how } = await howOf(asked);
  return ask("record", { line: sentence, how: { ...how, prefix, numBest } }, { signal });
}

export async function translateFile(file, asked, onProgress) {
  const { how } = await howOf(asked);
  const begun = performance.now();
  const tell = (share) => {
    const spent = (performance.now() - begun) / 1000;
    if (share) onProgress(share, Math.ceil((spent * (1 - share)) / share));
  };
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { text, notes } = await ask("file", { name: file.name, bytes, how }, { onProgress: tell });
  return { blob: new Blob([text], { type: file.type }), notes: notes.join("; ") };
}

async function howOf(asked) {
  const { pairs } = await about;
  const isAny = !asked.source || asked.source === "auto";
  const pair = pairs.find(({ source, target }) => target === asked.target && (isAny || source === asked.source)) ?? pairs[0];
  const stored = lists().find(({ id }) => id === asked.glossary)?.terms;
  const terms = asked.terms || stored ? { ...stored, ...asked.terms } : null; // typed ones go before stored ones
  return { pair, how: { tag: asked.tag ?? pair.tag ?? undefined, terms, markup: Boolean(asked.markup) } };
}

// stored lists of terms

function lists() {
  return JSON.parse(localStorage.getItem(LISTS) ?? "[]");
}

export async function glossaries() {
  return lists().map(({ terms, ...list }) => ({ ...list, count: Object.keys(terms).length }));
}

export async function addGlossary(list) {
  const added = { id: `${Date.now()} ${Math.random()}`, ...list };
  localStorage.setItem(LISTS, JSON.stringify([...lists(), added]));
  return (await glossaries()).at(-1);
}

export async function deleteGlossary(id) {
  localStorage.setItem(LISTS, JSON.stringify(lists().filter((list) => list.id !== id)));
}

/** There is no server that would need a key. */
export function useKey() {}
