// Lines to translations, in the form of the server's records (`mt.inference.records`): word links, how sure the model is,
// what it leaves out, terms, and markup.

import { coverageOf, leftOver, omittedOf } from "./coverage.js";
import { checkSpelled, continuingPieces, Glossary } from "./glossary.js";
import { isVisible, strip } from "./letters.js";
import { parse, textsOf } from "./markup.js";
import { wordStarts } from "./markup_atoms.js";
import { useEntities } from "./markup_reader.js";
import { restoreAll } from "./markup_transfer.js";
import { BANNED, BOS, EOS, Model } from "./model.js";
import { Refused } from "./refused.js";
import { Terms } from "./rules.js";
import { beamSearch } from "./search.js";
import { joinedParts, sentencesOf, splitLong, useAbbreviations } from "./sentences.js";
import { Tokenizer } from "./tokenizer.js";
import { calibrated, linksOf, probabilitiesOf, sharesOf, splitWords, weightsByWords } from "./words.js";

const SPARE = 4; // next pieces beyond those asked for, since some only go on with the prefix's last word
const LEAST_ROOM = 20; // target pieces in addition to demanded ones
const NUM_COMMON = 200; // pieces of the vocabulary that count as common words
const BROKEN = "\ufffd"; // of a character that several pieces spell, and only some are there
const never = () => false;

export class Translator {
  /** `ort`: onnxruntime-web; `read`: a function that gives the bytes of a file of the folder by its name. */
  static async load(ort, read) {
    const json = async (name) => JSON.parse(new TextDecoder().decode(await read(name)));
    const [about, tokenizers, language] = [await json("model/settings.json"), await json("model/tokenizers.json"), await json("model/texts.json")];
    const [encoder, decoder] = [await read("model/encoder_model.onnx"), await read("model/decoder_model_merged.onnx")];
    useEntities(language.entities);
    useAbbreviations(language.abbreviations);
    return new Translator(await Model.load(ort, encoder, decoder), tokenizers.map((data) => new Tokenizer(data)), about);
  }

  constructor(model, tokenizers, about) {
    Object.assign(this, { model, about, source: tokenizers[0], target: tokenizers.at(-1) });
    this.continuing = continuingPieces(this.target);
  }

  /** How many pieces a translation of so many may have, of which so many are demanded. Throws Refused for a longer prefix. */
  limit(numPieces, numDemanded = 0, numPrefix = 0) {
    const { search, table_rows: rows } = this.about;
    const least = numDemanded ? numDemanded + LEAST_ROOM : 0;
    const most = Math.min(Math.max(2 * numPieces + 20, least), search.max_length ?? Infinity, rows === null ? Infinity : rows - 1);
    if (numPrefix > most) throw new Refused(`prefix must be at most as long as a translation (${most} pieces), not ${numPrefix}`);
    return most;
  }

  /** Ids of the text that a translation begins with. */
  beginning(prefix) {
    const text = strip(prefix);
    const ids = text ? this.target.encode(text) : [];
    checkSpelled("prefix", text, ids);
    return ids;
  }

  /** The hypotheses of a source, best first; without `phrases` where no translation with all of them is found. */
  async search(ids, { prefix = [], phrases = [], isOver } = {}) {
    const { size, length_penalty: alpha } = this.about.search;
    const terms = phrases.length ? new Terms(phrases, this.continuing) : null;
    const limit = this.limit(ids.length, prefix.length + (terms?.needed ?? 0), prefix.length);
    const found = await beamSearch(this.model, ids, { size, alpha, limit, heads: this.about.alignment.heads, prefix, terms, isOver });
    return found && !found.length && terms ? this.search(ids, { prefix, isOver }) : found;
  }

  /**
   * The record of a line: { source, translations: [{ text, ids, score, links, confidence, coverage, omitted, repeated,
   * terms }], notes }; null once `isOver`. `terms`: { source: target } that are enforced; `markup`: tags and placeholders
   * are put back by word links (then records have `plain_source`, translations `plain_text`); `bySentence`: each sentence
   * is translated by itself. With `numBest` above 1 the translations differ right after the words of `prefix`.
   */
  async record(line, { tag, prefix = "", numBest = 1, terms = null, markup = false, bySentence = false, isOver = never } = {}) {
    const marked = markup ? parse(line) : null;
    const how = { tag, prefix: "", glossary: terms && new Glossary(terms), bySentence, isOver };
    const starts = numBest > 1 ? await this.beginnings(marked ? marked.text : line, strip(prefix), numBest, tag) : [prefix];
    const [first, ...branches] = marked ? textsOf(marked).map(({ text }) => text) : [line];
    const more = [];
    for (const branch of branches) more.push(await this.text(branch.replaceAll("''", "'"), how)); // in a message a doubled apostrophe means one
    const [records, best] = [[], new Map()];
    for (const start of starts) {
      const texts = [await this.text(first, { ...how, prefix: start }), ...more];
      if (texts.includes(null)) return null;
      const { translation, ...record } = this.joined(texts, marked, how.glossary);
      records.push(record);
      best.set(translation.text, translation);
    }
    const translations = [...best.values()].sort((a, b) => b.score - a.score).slice(0, numBest);
    return { source: line, ...records[0], translations };
  }

  /** What a translation can begin with: the prefix and one of the likeliest next pieces, those that begin a word if there are any. */
  async beginnings(line, prefix, count, tag) {
    const [part] = this.parts(line, { tag, bySentence: false }).parts;
    const [ids, before] = [this.source.encode(tagged(part, tag)), this.beginning(prefix)];
    this.limit(ids.length, before.length + 1, before.length);
    const { logProbs } = await this.model.step(await this.model.start(ids), [[BOS, ...before]]);
    const last = logProbs.at(-1);
    const likely = [...last.keys()].filter((id) => !BANNED.includes(id)).sort((a, b) => last[b] - last[a]).slice(0, count + SPARE);
    const texts = likely.map((id) => this.target.decode(id === EOS ? before : [...before, id])).filter((text) => !text.includes(BROKEN));
    const words = prefix ? texts.filter((text) => `${text} `.startsWith(`${prefix} `)) : [];
    return [...new Set(words.length ? words : texts.length ? texts : [prefix])];
  }

  /** A line in parts that the model was trained for. */
  parts(line, { tag, bySentence }) {
    const count = (part) => this.source.encode(tagged(part, tag)).length;
    const whole = this.composed(line);
    const sentences = bySentence ? sentencesOf(whole).map(strip).filter(isVisible) : [whole];
    const found = sentences.map((one) => splitLong(one, this.about.max_pieces, count));
    return { parts: found.flatMap(({ parts }) => parts), isCut: found.some(({ isCut }) => isCut), numSentences: sentences.length };
  }

  /** A text's best translation, with what is known of its words; null once `isOver`. */
  async text(source, { tag, prefix, glossary, bySentence, isOver }) {
    if (!isVisible(source)) return { source, text: source, score: 0, ids: [], words: [], links: [], omitted: [], probabilities: splitWords(source).map(() => null), notes: [] };
    const { parts, isCut, numSentences } = this.parts(source, { tag, bySentence });
    const found = [];
    for (const [at, part] of parts.entries()) {
      const ids = this.source.encode(tagged(part, tag));
      const phrases = glossary ? glossary.phrases(part, this.target) : [];
      const hypotheses = await this.search(ids, { prefix: at ? [] : this.beginning(prefix), phrases, isOver });
      if (isOver()) return null;
      found.push({ ...this.aligned(part, ids, hypotheses[0], tag), ...hypotheses[0] });
    }
    const texts = found.map(({ text }) => text);
    const text = joinedParts(texts, parts);
    const [sources, targets] = [firstWords(this.composed(source), parts), firstWords(text, texts)];
    const pieces = found.flatMap(({ ids }) => ids);
    const share = sharesOf(this.names(this.target, pieces), text);
    const most = this.about.max_pieces;
    const notes = [
      parts.length > numSentences ? `split into ${parts.length} parts of at most ${most} pieces` : "",
      isCut ? "cut inside a word that is longer than a part may be" : "",
      found.every(({ isFinished }) => isFinished) ? "" : "stopped at the length limit before the end of the sentence",
    ];
    return {
      source: this.composed(source),
      text,
      score: found.reduce((sum, { score }) => sum + score, 0),
      ids: pieces,
      words: found.flatMap(({ words }) => words),
      links: found.flatMap(({ links }, at) => links.map(([from, to]) => [from + sources[at], to + targets[at]])),
      omitted: found.flatMap(({ omitted }, at) => omitted.map((one) => ({ ...one, position: one.position + sources[at] }))),
      probabilities: probabilitiesOf(found.flatMap(({ logProbs, ids }) => logProbs.slice(0, ids.length)), share),
      notes: notes.filter(Boolean),
    };
  }

  /** The words of a part, their links, and those that are left out. */
  aligned(part, ids, { ids: found, maps, means }, tag) {
    const [text, read] = [this.target.decode(found), tagged(part, tag)];
    const names = this.names(this.source, ids);
    const ofSource = sharesOf(names, read);
    const skipped = tag ? 1 : 0; // a tag is no word of the line
    const words = splitWords(read);
    const { shift, threshold } = this.about.alignment;
    const weights = weightsByWords(maps, ofSource, sharesOf(this.names(this.target, found), text), shift).map((row) => row.slice(skipped));
    const left = leftOver(means, names, ofSource).slice(skipped);
    const isCommon = words.map((word) => this.isCommon(word)).slice(skipped);
    return { text, words: words.slice(skipped), links: linksOf(weights, threshold), omitted: omittedOf(words.slice(skipped), { weights, left, isCommon }) };
  }

  /** The translations of a line's texts as one, with the marks of the line: { translation, notes, plain_source }. */
  joined(texts, marked, glossary) {
    const [links, omitted] = [[], []];
    let [from, to] = [0, 0];
    for (const one of texts) {
      links.push(...one.links.map(([source, target]) => [source + from, target + to]));
      omitted.push(...one.omitted.map((word) => ({ ...word, position: word.position + from })));
      [from, to] = [from + wordStarts(one.source).length, to + wordStarts(one.text).length];
    }
    const whole = (name) => (texts.length === 1 ? texts[0][name] : texts.map((one) => one[name]).filter(Boolean).join(" "));
    const terms = glossary && texts.flatMap((one) => glossary.uses(one.source, one.text));
    const missed = (terms ?? []).filter((use) => !use.is_honoured);
    const translation = {
      text: marked ? restoreAll(marked, texts) : whole("text"),
      ...(marked && { plain_text: whole("text") }),
      ids: texts.flatMap(({ ids }) => ids),
      score: texts.reduce((sum, { score }) => sum + score, 0),
      links: pharaoh(links),
      confidence: confidence(texts.flatMap(({ probabilities }) => probabilities), this.about.calibration),
      ...coverageOf(texts.flatMap(({ words }) => words), splitWords(whole("text")), omitted),
      ...(terms && { terms }),
    };
    const unmet = missed.map((use) => `term not honoured: ${use.source} -> ${use.target} (${use.found} of ${use.times})`);
    const notes = [...new Set(texts.flatMap((one) => one.notes)), ...(marked?.notes ?? []), ...unmet];
    return { translation, notes, ...(marked && { plain_source: whole("source") }) };
  }

  /** Whether a word is a single very common piece, or has none. */
  isCommon(word) {
    const ids = this.source.encode(word);
    return !ids.length || (ids.length === 1 && this.source.isCommon(ids[0], NUM_COMMON));
  }

  names(tokenizer, ids) {
    return ids.map((id) => tokenizer.pieces[id][0]);
  }

  composed(line) {
    return this.source.composes ? line.normalize("NFC") : line;
  }
}

function tagged(text, tag) {
  return tag ? `${tag} ${text}` : text;
}

/** "0-0 1-1": source-target, in order, each once. */
function pharaoh(links) {
  const unique = new Map(links.map((link) => [link.join("-"), link]));
  return [...unique.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((link) => link.join("-")).join(" ");
}

/** How sure the words are; not known of what was not translated. */
function confidence(probabilities, calibration) {
  return calibrated(probabilities, probabilities.includes(null) ? null : calibration);
}

/** The number of the word in which each part of a text begins; the parts follow one another in the text. */
function firstWords(text, parts) {
  const starts = wordStarts(text);
  let end = 0;
  return parts.map((part) => {
    const place = text.indexOf(part, end);
    end = place + part.length;
    return Math.max(0, starts.filter((start) => start <= place).length - 1);
  });
}
