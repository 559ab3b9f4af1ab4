// The model at work beside the page, so that the page never waits: answers { id, result } or { id, error }.

import { Translator } from "./translator.js";

const BASE = new URL("../", import.meta.url);
const over = new Set(); // numbers of questions whose answers nobody waits for
let loaded = 0;
let expected = 0;
let turn = Promise.resolve(); // one question at a time

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

onmessage = ({ data: { id, line, how, forget } }) => {
  if (forget) {
    over.add(forget);
    return;
  }
  turn = turn.then(async () => {
    try {
      const translator = await ready;
      const isOver = () => over.has(id);
      // a pause lets what was said meanwhile come in
      const record = isOver() ? null : await translator.record(line, { ...how, isOver: () => isOver() });
      postMessage({ id, result: record });
    } catch (error) {
      postMessage({ id, error: error.message, kind: error.constructor.name });
    }
    over.delete(id);
  });
};
