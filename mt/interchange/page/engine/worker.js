// The model at work beside the page, so that the page never waits: answers { id, result }, { id, error }, { id, progress }.

import { translatedFile } from "./files.js";
import { Refused } from "./refused.js";
import { partsOf } from "./texts.js";
import { Translator } from "./translator.js";

const BASE = new URL("../", import.meta.url);
const over = new Set(); // numbers of questions whose answers nobody waits for
let loaded = 0;
let expected = 0;
let turn = Promise.resolve(); // one line at a time

async function read(name) {
  const answer = await fetch(new URL(name, BASE));
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    postMessage({ loaded, expected });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function load() {
  const files = JSON.parse(new TextDecoder().decode(await read("files.json")));
  expected = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const ort = await import("../runtime/ort.wasm.min.mjs");
  Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: new URL("runtime/", BASE).href });
  ort.env.wasm.wasmBinary = (await read("runtime/ort-wasm-simd-threaded.wasm")).buffer;
  return Translator.load(ort, read);
}

const ready = load();
ready.then(() => postMessage({ isReady: true }), (error) => postMessage({ failed: error.message }));

/** The record of a line, when it is its turn. */
function record(id, line, how) {
  const isOver = () => over.has(id);
  const found = turn.then(async () => {
    // a pause lets what was said meanwhile come in
    await new Promise((resolve) => setTimeout(resolve));
    return isOver() ? null : (await ready).record(line, { ...how, isOver });
  });
  turn = found.catch(() => {});
  return found;
}

const ANSWERS = {
  parts: async (id, { text }) => {
    await ready; // which knows abbreviations
    return partsOf(text);
  },
  record: (id, { line, how }) => record(id, line, how),
  file: (id, { name, bytes, how }) =>
    translatedFile(name, bytes, async (lines) => {
      const found = [];
      for (const line of lines) {
        postMessage({ id, progress: found.length / lines.length });
        const { text } = (await record(id, line, { ...how, markup: true, bySentence: true })).translations[0];
        found.push(text.replaceAll("\n", " "));
      }
      return found;
    }),
};

onmessage = async ({ data: { id, name, given, forget } }) => {
  if (forget) {
    over.add(forget);
    return;
  }
  try {
    postMessage({ id, result: await ANSWERS[name](id, given) });
  } catch (error) {
    postMessage({ id, error: error.message, isRefused: error instanceof Refused });
  }
  over.delete(id);
};
