// The calls of the page, answered in the browser: no text leaves it.

import { byId } from "./elements.js";

const LINE_ENDS = /(\r\n|\r|\n)/;
const MOST_CHARACTERS = 5000;
const MOST_BEST = 8;
const MEGABYTE = 1e6;

/** Why a call failed: the status that a server would give, and its line. */
export class Refusal extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    Object.assign(this, { status, retryAfter });
  }
}

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

const ANSWERS = {
  "api/settings": async () => ({ key_required: false, max_body: 0, max_texts: 1, max_characters: MOST_CHARACTERS, max_n_best: MOST_BEST, file_endings: [] }),
  "api/languages": async () => (await about).pairs,
  "api/translate": translated,
};

/** What a server would answer to the same call. */
export async function ask(path, { body, signal } = {}) {
  if (!ANSWERS[path]) throw new Refusal(404, `there is no ${path} without a server`);
  return ANSWERS[path](body, signal);
}

export async function send(path) {
  throw new Refusal(404, `there is no ${path} without a server`);
}

async function translated(asked, signal) {
  const { pairs, name } = await about;
  const isAsked = (pair) => pair.target === asked.target && (asked.source === "auto" || pair.source === asked.source);
  const pair = pairs.find(isAsked) ?? pairs[0];
  const how = { tag: asked.tag ?? pair.tag ?? undefined, prefix: asked.prefix, numBest: asked.n_best };
  const translations = [];
  for (const text of asked.texts) {
    if ([...text].length > MOST_CHARACTERS) throw new Refusal(413, `${MOST_CHARACTERS} characters`);
    const [whole, lines] = ["", []];
    let found = whole;
    for (const [at, part] of text.split(LINE_ENDS).entries()) {
      if (at % 2 || !part.trim()) found += part;
      else {
        lines.push(await record(part, how, signal));
        found += lines.at(-1).translations[0].text;
      }
    }
    translations.push({ text: found, lines });
  }
  return { source: pair.source, target: pair.target, detected: null, model: `${name}, on this device`, translations };
}

/** A sentence for people. */
export function plainWords(error) {
  if (!(error instanceof Refusal)) return `This page has failed: ${error.message}`;
  if (error.status === 413) return `This is more than the page takes at a time: at most ${error.message}.`;
  return `The model cannot translate this: ${error.message}.`;
}
