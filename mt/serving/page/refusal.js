// Why a call of the engine failed, in plain words.

/** A refusal: the HTTP status (0: no answer at all), the engine's own line, and the seconds until a new try. */
export class Refusal extends Error {
  constructor(status, message, retryAfter = 1) {
    super(message);
    Object.assign(this, { status, retryAfter });
  }
}

const WORDS = {
  0: () => "The server cannot be reached. Is it still running?",
  401: () => "This server needs an API key.",
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

/** A sentence for people who do not know the engine. */
export function plainWords(error) {
  if (!(error instanceof Refusal)) return `This page has failed: ${error.message}`;
  if (error.status === 413) return `This is too much at a time: ${error.message}.`;
  return WORDS[error.status]?.(error) ?? `This is refused: ${error.message}.`;
}

/** Whether an error says that a key is needed, or another one. */
export function isAboutKey(error) {
  return error instanceof Refusal && (error.status === 401 || error.status === 403);
}

/** Whether it may work a little later. */
export function isBusy(error) {
  return error instanceof Refusal && error.status === 503;
}
