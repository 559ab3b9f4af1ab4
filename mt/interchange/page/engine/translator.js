// Lines to translations, with word links and how sure the model is, in the form of the server's records.

import { BANNED, BOS, EOS, Model } from "./model.js";
import { beamSearch } from "./search.js";
import { Tokenizer } from "./tokenizer.js";
import { linksOf, sharesOf, splitWords, sureness } from "./words.js";

const SPARE = 4; // next pieces beyond those asked for, since some only go on with the prefix's last word
const BLANK = "▁";

/** A line that the model cannot take. */
export class TooLong extends Error {}

export class Translator {
  /** `ort`: onnxruntime-web; `read`: a function that gives the bytes of a file of the folder by its name. */
  static async load(ort, read) {
    const json = async (name) => JSON.parse(new TextDecoder().decode(await read(name)));
    const [about, tokenizers] = [await json("model/settings.json"), await json("model/tokenizers.json")];
    const [encoder, decoder] = [await read("model/encoder_model.onnx"), await read("model/decoder_model_merged.onnx")];
    return new Translator(await Model.load(ort, encoder, decoder), tokenizers.map((data) => new Tokenizer(data)), about);
  }

  constructor(model, tokenizers, about) {
    Object.assign(this, { model, about, source: tokenizers[0], target: tokenizers.at(-1) });
  }

  /** How many pieces a translation of so many may have. */
  limit(numPieces) {
    const { search, table_rows: rows } = this.about;
    return Math.min(2 * numPieces + 20, search.max_length ?? Infinity, rows === null ? Infinity : rows - 1);
  }

  /** Ids of a line. Throws TooLong for one that the model was not trained for. */
  pieces(line) {
    const [ids, most] = [this.source.encode(line), this.about.max_pieces];
    if (ids.length > most) throw new TooLong(`a line has ${ids.length} pieces, and the model was trained on at most ${most}: put sentences on lines of their own`);
    return ids;
  }

  /** The hypotheses of a source, best first. */
  search(ids, { prefix = [], isOver } = {}) {
    const { size, length_penalty: alpha } = this.about.search;
    const limit = this.limit(Math.max(ids.length, prefix.length));
    return beamSearch(this.model, ids, { size, alpha, limit, heads: this.about.alignment.heads, prefix, isOver });
  }

  /**
   * The record of a line: { source, translations: [{ text, ids, score, links, confidence }] }; null once `isOver`.
   * With `numBest` above 1 they differ right after the words of `prefix`.
   */
  async record(line, { tag, prefix = "", numBest = 1, isOver = () => false } = {}) {
    const ids = this.pieces(tag ? `${tag} ${line}` : line);
    const starts = numBest > 1 ? await this.beginnings(ids, prefix, numBest) : [prefix ? this.target.encode(prefix) : []];
    const found = new Map();
    for (const start of starts) {
      const hypotheses = await this.search(ids, { prefix: start, isOver });
      if (isOver()) return null;
      const one = this.translation(line, ids, hypotheses[0], tag);
      if (!found.has(one.text)) found.set(one.text, one);
    }
    return { source: line, translations: [...found.values()].sort((a, b) => b.score - a.score).slice(0, numBest) };
  }

  /** The prefix with each of the likeliest pieces that can follow it; those that begin a word, if there are any. */
  async beginnings(ids, prefix, count) {
    const before = prefix ? this.target.encode(prefix) : [];
    const { logProbs } = await this.model.step(await this.model.start(ids), [[BOS, ...before]]);
    const last = logProbs.at(-1);
    const order = [...last.keys()].filter((id) => !BANNED.includes(id)).sort((a, b) => last[b] - last[a]).slice(0, count + SPARE);
    const starts = (id) => id === EOS || this.target.pieces[id][0].startsWith(BLANK);
    const words = prefix ? order.filter(starts) : order;
    return (words.length ? words : order).slice(0, count).map((id) => [...before, id]);
  }

  translation(line, ids, { ids: found, score, logProbs, maps }, tag) {
    const text = this.target.decode(found);
    const names = (tokenizer, of) => of.map((id) => tokenizer.pieces[id][0]);
    const share = sharesOf(names(this.target, found), text);
    const skipped = tag ? ids.length - this.source.encode(line).length : 0; // pieces of the tag are no words of the line
    const ofSource = sharesOf(names(this.source, ids.slice(skipped)), this.composed(line));
    const own = skipped ? maps.map((row) => row.slice(skipped)) : maps;
    const hasWords = splitWords(text).length && splitWords(line).length;
    return {
      text,
      ids: found,
      score,
      links: hasWords ? linksOf(own, ofSource, share, this.about.alignment) : "",
      confidence: sureness(logProbs, share),
    };
  }

  composed(line) {
    return this.source.composes ? line.normalize("NFC") : line;
  }
}
