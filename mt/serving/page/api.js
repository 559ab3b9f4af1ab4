// Calls of the server, and its refusals in plain words.

import { byId } from "./elements.js";

/** Why a call failed: the HTTP status (0: no answer at all), the server's own line, and the seconds until a new try. */
export class Refusal extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    Object.assign(this, { status, retryAfter });
  }
}

async function answerOf(path, options) {
  const key = byId("key").value.trim();
  const headers = { ...options.headers, ...(key && { "X-API-Key": key }) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "no answer");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  const wait = Number(answer.headers.get("Retry-After")) || 1;
  throw new Refusal(answer.status, body.error ?? body.message ?? answer.statusText, wait);
}

/** The JSON that a path gives; with a `body` it is sent as JSON, or as a form where it is one. */
export async function ask(path, { body, signal } = {}) {
  return (await send(path, { body, signal })).json();
}

export async function send(path, { body, signal } = {}) {
  if (body === undefined) return answerOf(path, { signal });
  if (body instanceof FormData) return answerOf(path, { method: "POST", body, signal });
  const headers = { "Content-Type": "application/json" };
  return answerOf(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

const WORDS = {
  0: () => "The server cannot be reached. Is it still running?",
  403: () => "The server does not know this API key.",
  408: () => "Sending took too long. Try again.",
  429: () => "Too many requests for this API key. Wait a moment.",
  456: () => "The characters of this API key are used up.",
  500: () => "The server has failed on this text.",
  503: ({ retryAfter }) => `The server is busy. Trying again in ${seconds(retryAfter)}.`,
  504: () => "The server did not answer in time. Try again, or with less text.",
};

function seconds(number) {
  return number === 1 ? "a second" : `${number} seconds`;
}

/** A sentence for people who do not know the server. */
export function plainWords(error) {
  if (!(error instanceof Refusal)) return `This page has failed: ${error.message}`;
  if (error.status === 413) return `This is more than the server takes at a time: ${error.message}.`;
  return WORDS[error.status]?.(error) ?? `The server refuses this: ${error.message}.`;
}
