// What translates for the page: here the server. Nothing else of the page speaks to it, so that another engine can take
// its place: a module with the same functions, which give the same and refuse with `Refusal`.
//
// A record is a line of `translate --json`; an answer is { source, target, detected, model, text, lines }, of which
// `lines` are the records of its sentences. `between` is what stands before, between and after the sentences of a text.

import { Refusal } from "./refusal.js";

const FIRST_PAUSE = 300; // milliseconds between two questions whether a file is ready
const LONGEST_PAUSE = 3000;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let key = ""; // only here: it is gone with the page

/** From now on every call has this API key. */
export function useKey(given) {
  key = given;
}

/** { key_required, max_body, max_characters, max_n_best, file_endings (none: no files), has_glossaries, has_reference } */
export async function settings() {
  return { ...(await call("api/settings")), has_glossaries: true, has_reference: true };
}

/** The pairs { source, target, model, tags, features }; features are fields of a request that the pair's model knows. */
export function languages() {
  return call("api/languages");
}

/**
 * The answer for a text, translated sentence by sentence. `asked` are the fields of a request. `onStart` gets
 * { sentences, between } of the text before they are translated, `onLine` the number of a sentence and its record.
 */
export async function translate(asked, text, { signal, onStart = () => {}, onLine = () => {} } = {}) {
  const body = { ...asked, texts: [text], split: "sentences", stream: true };
  for await (const [name, data] of eventsOf(await sent("api/translate", { body, signal }))) {
    if (name === "start") onStart({ sentences: data.texts[0].lines, between: data.texts[0].between });
    if (name === "line") onLine(data.line, data);
    if (name === "error") throw new Refusal(data.status, data.error);
    if (name === "done") return { ...data, ...data.translations[0] };
  }
  throw new Refusal(0, "the answer has no end");
}

/** The record of a sentence with up to `number` translations that begin with `prefix` and go on with different words. */
export async function alternatives(asked, sentence, prefix, number, { signal } = {}) {
  const body = { ...asked, texts: [sentence], split: "none", prefix, n_best: number, distinct: true };
  return (await call("api/translate", { body, signal })).translations[0].lines[0];
}

/** A translated file: { blob, notes }. `onProgress` gets the share that is done, 0 to 1, and the seconds left. */
export async function translateFile(file, { source, target, glossary }, onProgress) {
  const form = new FormData();
  form.append("file", file, file.name);
  form.append("target_lang", target);
  if (source) form.append("source_lang", source);
  if (glossary) form.append("glossary_id", glossary);
  const { document_id, document_key } = await call("v2/document", { body: form });
  const [place, body] = [`v2/document/${document_id}`, { document_key }];
  const begun = performance.now();
  for (let wait = FIRST_PAUSE; ; wait = Math.min(LONGEST_PAUSE, wait * 1.5)) {
    const found = await call(place, { body });
    if (found.status === "error") throw new Refusal(400, found.error_message);
    if (found.status === "done") return { blob: await (await sent(`${place}/result`, { body })).blob(), notes: found.message ?? "" };
    const spent = (performance.now() - begun) / 1000;
    onProgress(spent / (spent + found.seconds_remaining), found.seconds_remaining);
    await pause(wait);
  }
}

/** The stored lists of terms: { id, name, source, target, count }. */
export async function glossaries() {
  return (await call("v2/glossaries")).glossaries.map(stored);
}

/** Stores a list of terms, { source term: target term }. */
export async function addGlossary({ name, source, target, terms }) {
  const entries = Object.entries(terms).map((pair) => pair.join("\t")).join("\n");
  const body = { name, source_lang: source, target_lang: target, entries, entries_format: "tsv" };
  return stored(await call("v2/glossaries", { body }));
}

export function deleteGlossary(id) {
  return sent(`v2/glossaries/${id}`, { method: "DELETE" });
}

function stored({ glossary_id: id, name, source_lang: source, target_lang: target, entry_count: count }) {
  return { id, name, source, target, count };
}

async function call(path, options) {
  return (await sent(path, options)).json();
}

/** The answer of the server; a `body` is sent as a form where it is one, else as JSON. */
async function sent(path, { body, signal, method = body === undefined ? "GET" : "POST" } = {}) {
  const headers = key ? { "X-API-Key": key } : {};
  const isJson = body !== undefined && !(body instanceof FormData);
  if (isJson) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: isJson ? JSON.stringify(body) : body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "no answer");
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refusal(answer.status, problem.error ?? problem.message ?? answer.statusText, Number(answer.headers.get("Retry-After")) || 1);
}

/** Server-sent events, [name, data] each. */
async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Refusal(0, "the connection broke");
    });
    if (done) return;
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const [, name, data] = event.match(/^event: (.*)\ndata: (.*)$/);
      yield [name, JSON.parse(data)];
    }
  }
}
