// Runs an exported page's own engine in Node.js and answers questions about it, a line of JSON each: node measure.mjs FOLDER

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = resolve(process.argv[2]);
const from = (name) => import(pathToFileURL(join(folder, name)).href);
const read = async (name) => new Uint8Array(readFileSync(join(folder, name)));
const { Translator } = await from("engine/translator.js");
const { BOS } = await from("engine/model.js");
const ort = await from("runtime/ort.wasm.min.mjs");
const runtime = pathToFileURL(join(folder, "runtime/ort-wasm-simd-threaded.mjs")).href;
Object.assign(ort.env.wasm, { numThreads: 1, wasmPaths: { mjs: runtime } });
ort.env.wasm.wasmBinary = (await read("runtime/ort-wasm-simd-threaded.wasm")).buffer;
const translator = await Translator.load(ort, read);

/** Each row of a target's steps: its log-probabilities, and its weights over the source. */
async function forced([source, target]) {
  const { model, about } = translator;
  const { logProbs, maps } = await model.step(await model.start(source), [[BOS, ...target]]);
  const [, , length, size] = maps.dims;
  const weights = Array.from({ length }, (_, row) => {
    const rows = about.alignment.heads.map((head) => maps.data.subarray((head * length + row) * size, (head * length + row + 1) * size));
    return Array.from({ length: size }, (_, at) => rows.reduce((sum, one) => sum + one[at], 0) / rows.length);
  });
  return { logProbs, weights };
}

const ANSWERS = {
  tokenize: async (lines) => lines.map((line) => translator.source.encode(line)),
  detokenize: async (ids) => ids.map((one) => translator.target.decode(one)),
  log_probs: (pairs) => all(pairs, async (pair) => {
    const { logProbs } = await forced(pair);
    return [...pair[1], 3].map((id, at) => logProbs[at][id]);
  }),
  attention: (pairs) => all(pairs, async (pair) => (await forced(pair)).weights.slice(0, -1).map((row) => row.slice(0, -1))),
  translate: (lines) => all(lines, async (line) => {
    const [{ ids, logProb, score }] = await translator.search(translator.source.encode(line));
    return { ids, text: translator.target.decode(ids), log_prob: logProb, score };
  }),
  records: ({ lines, how }) => all(lines, (line, at) => translator.record(line, how[at])),
  about: async () => ({ ...translator.about, onnxruntime_web: ort.env.versions.web, node: process.versions.node }),
};

async function all(items, answer) {
  const found = [];
  for (const item of items) found.push(await answer(item, found.length));
  return found;
}

for await (const line of createInterface({ input: process.stdin, terminal: false })) {
  const { name, given } = JSON.parse(line);
  const found = await ANSWERS[name](given).then((answer) => ({ answer }), ({ message }) => ({ error: message }));
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
