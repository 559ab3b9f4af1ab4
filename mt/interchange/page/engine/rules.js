// Phrases that a translation must have, in pieces: how much of them a hypothesis has (`mt.search.rules.terms`).

export class Terms {
  /** `phrases`: [{ ids, count }]; `continuing`: of each piece whether it goes on with the word of the one before it. */
  constructor(phrases, continuing) {
    Object.assign(this, { phrases, continuing });
    this.needed = phrases.reduce((sum, { ids, count }) => sum + ids.length * count, 0);
  }

  /** Of each phrase: how often it is missing, and how many pieces of a missing one stand at the end. */
  stateOf(ids) {
    return this.phrases.map(({ ids: phrase, count }) => {
      let times = 0;
      for (let end = phrase.length; end <= ids.length; end++) {
        const isHere = phrase.every((id, at) => ids[end - phrase.length + at] === id);
        // a piece that goes on with its last word makes the phrase a part of another word
        if (isHere && !(end < ids.length && this.continuing[ids[end]])) times += 1;
      }
      const missing = Math.max(0, count - times);
      let begun = missing ? Math.min(phrase.length - 1, ids.length) : 0;
      while (begun && !phrase.slice(0, begun).every((id, at) => ids[ids.length - begun + at] === id)) begun -= 1;
      return { missing, begun };
    });
  }

  /** Whether something is still demanded, so that the translation may not end. */
  isOpen(ids) {
    return this.stateOf(ids).some(({ missing }) => missing);
  }

  /** Whether a piece that goes on with the last word would undo a phrase that ends here. */
  isUndone(ids) {
    const some = this.continuing.indexOf(true);
    if (!ids.length || some < 0) return false;
    const [before, after] = [this.stateOf(ids), this.stateOf([...ids, some])];
    return after.some(({ missing }, at) => missing > before[at].missing);
  }

  /** How many of the demanded pieces there are; only one phrase is begun at a time. */
  progress(ids) {
    const states = this.stateOf(ids);
    const missing = states.reduce((sum, one, at) => sum + one.missing * this.phrases[at].ids.length, 0);
    return this.needed - missing + states.reduce((most, { begun }) => Math.max(most, begun), 0);
  }

  /** The pieces that go on with a phrase, or begin one. */
  next(ids) {
    return this.stateOf(ids).flatMap(({ missing, begun }, at) => (missing ? [this.phrases[at].ids[begun]] : []));
  }
}
