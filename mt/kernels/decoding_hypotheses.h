/* The hypotheses of a sentence: what may continue them, which are kept, and which of them end (mt.search.beam). */
#ifndef DECODING_HYPOTHESES_H
#define DECODING_HYPOTHESES_H
#include "decoding_step.h"

enum Status { GOES_ON, DONE, NO_MEMORY, NOT_A_NUMBER };

typedef struct {
    float total;
    int32_t parent, token;
} Candidate;

typedef struct {
    double score;
    int64_t count; /* tokens with EOS */
    int32_t *ids;
    float *totals; /* log-probability after each token */
    int is_cut, is_impossible;
} Found;

typedef struct {
    int64_t index, S, limit, T, W; /* number of the caller; source pieces; most tokens; tokens so far; hypotheses */
    float *memory;
    int32_t *choices; /* target ids that it may become, ascending; NULL: all */
    int64_t num_choices, place_of_eos;
    void **blocks;
    int64_t num_blocks;
    uint16_t *slots, *spare_slots; /* W x limit + 1: the slot that holds each position of a hypothesis */
    int32_t *tokens, *parents;     /* (limit + 1) x size: what was chosen after each step, */
    float *totals;                 /* and the log-probability after it; -inf: ended */
    Candidate *best;
    int64_t num_best, num_cut;
    uint8_t *cut; /* of each hypothesis: this step can only end it, although another token was likelier */
    double to_beat;
    Found *pool;
    int64_t num_found;
} Sentence;

typedef struct {
    int64_t index, S, limit;
    int32_t *ids;
} Waiting;

typedef struct {
    const Model *model;
    int64_t size, n_best, min_length, capacity, eos, bos, num_banned, most_pieces;
    double alpha;
    int32_t *banned;
    Waiting *waiting;
    int64_t num_waiting, next_waiting;
    Sentence **active;
    int64_t num_active, pieces_active;
    Sentence *done; /* by the caller's number */
    int64_t num_sentences;
    void **free_blocks; /* of the cache, to be used again */
    int64_t num_free, room_free;
    Row *rows;
    Scratch scratch;
    float *work, *logits, *others; /* logits of LOGITS rows, and with an ensemble those of a further member */
    float *states;                 /* of all members, where there are several */
    int64_t room_work, room_states;
    uint64_t *marks; /* a bit for each target piece, where there is a shortlist */
    enum Status status;
} Search;

#define LOGITS 64      /* rows whose logits are in memory together */
#define TOGETHER 2048  /* source pieces that are encoded together, unless one sentence has more */
#define LOOKED_AT 64   /* logits whose greatest is compared before each is */

static double penalty(double length, double alpha) { return pow((5 + length) / 6, alpha); }

static void sentence_free(Sentence *s) {
    free(s->memory), free(s->blocks), free(s->slots), free(s->spare_slots), free(s->tokens), free(s->parents);
    free(s->totals), free(s->best), free(s->cut), free(s->choices);
    s->memory = NULL, s->blocks = NULL, s->slots = s->spare_slots = NULL, s->tokens = s->parents = NULL;
    s->totals = NULL, s->best = NULL, s->cut = NULL, s->choices = NULL;
}

static int is_banned(const Search *search, int64_t token) {
    for (int64_t i = 0; i < search->num_banned; i++)
        if (search->banned[i] == token) return 1;
    return 0;
}

static void offer(const Search *search, Sentence *s, float total, int64_t parent, int64_t token) {
    if (s->num_best == search->size) {
        if (!(total > s->best[s->num_best - 1].total)) return;
    } else
        s->num_best++;
    int64_t place = s->num_best - 1;
    for (; place && total > s->best[place - 1].total; place--) s->best[place] = s->best[place - 1];
    s->best[place] = (Candidate){total, (int32_t)parent, (int32_t)token};
}

/* The logarithm of the sum of e^(logit - highest), and the highest logit; NaN where one is NaN. */
static float log_of_sum(const float *logits, int64_t padded, float *highest) {
    vf most = load(logits), mass = {0};
    for (int64_t v = LANES; v < padded; v += LANES) most = larger(most, load(logits + v));
    *highest = largest(most);
    for (int64_t v = 0; v < padded; v += LANES) mass += exponential(load(logits + v) - *highest);
    return logf(sum(mass));
}

/* Turns a row of logits into log-probabilities. */
static enum Status normalize_row(float *logits, int64_t width) {
    float highest;
    const float log_sum = log_of_sum(logits, width, &highest);
    if (!(log_sum == log_sum)) return NOT_A_NUMBER;
    for (int64_t v = 0; v < width; v += LANES) store(logits + v, load(logits + v) - highest - log_sum);
    return GOES_ON;
}

/* log(1 + e) for e from 0 to 1: 2 atanh(e / (2 + e)), by its series, with an error of 1e-8. */
INLINE vf log_of_one_and(vf e) {
    const vf z = e / (2.0f + e), square = z * z;
    vf series = all(1.0f / 15);
    series = series * square + 1.0f / 13;
    series = series * square + 1.0f / 11;
    series = series * square + 1.0f / 9;
    series = series * square + 1.0f / 7;
    series = series * square + 1.0f / 5;
    series = series * square + 1.0f / 3;
    return 2.0f * z * (series * square + 1.0f);
}

/* Adds the probabilities of another row: into[v] = log(e^into[v] + e^other[v]), also where both are 0. */
static void add_probabilities(float *into, const float *other, int64_t width) {
    for (int64_t v = 0; v < width; v += LANES) {
        const vf a = load(into + v), b = load(other + v), high = larger(a, b), low = choose(a > b, b, a);
        store(into + v, choose(high > -INFINITY, high + log_of_one_and(exponential(low - high)), high));
    }
}

/* Offers the continuations of hypothesis `slot` by its logits, of the sentence's choices if it has some. */
static enum Status look_at(const Search *search, Sentence *s, int64_t slot, const float *logits) {
    const int64_t size = s->num_choices, padded = rounded(size, LANES), eos = s->place_of_eos;
    float highest;
    const float log_sum = log_of_sum(logits, padded, &highest), before = s->totals[s->T * search->size + slot];
    if (!(log_sum == log_sum)) return NOT_A_NUMBER;
#define TOTAL(v) (before + ((logits[v] - highest) - log_sum))
#define TOKEN(v) (s->choices ? s->choices[v] : (v))
    const int64_t least = search->min_length < s->limit ? search->min_length : s->limit;
    const int may_end = s->T >= least;
    s->cut[slot] = 0;
    if (s->T == s->limit) {
        for (int64_t v = 0; v < size && !s->cut[slot]; v++)
            s->cut[slot] = logits[v] > logits[eos] && !is_banned(search, TOKEN(v));
        offer(search, s, TOTAL(eos), slot, search->eos);
        return GOES_ON;
    }
    for (int64_t first = 0; first < size; first += LOOKED_AT) {
        const int64_t end = first + LOOKED_AT < padded ? first + LOOKED_AT : padded, last = end < size ? end : size;
        if (s->num_best == search->size) {
            vf block = load(logits + first);
            for (int64_t v = first + LANES; v < end; v += LANES) block = larger(block, load(logits + v));
            if (!(before + ((largest(block) - highest) - log_sum) > s->best[s->num_best - 1].total)) continue;
        }
        for (int64_t v = first; v < last; v++) {
            const float total = TOTAL(v);
            if (s->num_best == search->size && !(total > s->best[s->num_best - 1].total)) continue;
            if (total > -INFINITY && !is_banned(search, TOKEN(v)) && (may_end || v != eos)) offer(search, s, total, slot, TOKEN(v));
        }
    }
#undef TOKEN
#undef TOTAL
    return GOES_ON;
}

/* Writes the tokens of a hypothesis: slot `parent` after T tokens, and then `token` if it is not negative. */
static enum Status trace(const Search *search, const Sentence *s, int64_t parent, int64_t token, float total, Found *to) {
    const int64_t W = search->size;
    to->count = s->T + (token >= 0);
    to->ids = aligned(4 * (to->count + 1)), to->totals = aligned(4 * (to->count + 1));
    if (!to->ids || !to->totals) return NO_MEMORY;
    if (token >= 0) to->ids[s->T] = (int32_t)token, to->totals[s->T] = total;
    for (int64_t t = s->T; t > 0; t--) {
        to->ids[t - 1] = s->tokens[t * W + parent], to->totals[t - 1] = s->totals[t * W + parent];
        parent = s->parents[t * W + parent];
    }
    return GOES_ON;
}

static enum Status set_aside(const Search *search, Sentence *s, Candidate one, double score) {
    Found found = {.score = score, .is_cut = s->cut[one.parent]};
    const enum Status status = trace(search, s, one.parent, one.token, one.total, &found);
    int64_t place = s->num_found++;
    for (; place && score > s->pool[place - 1].score; place--) s->pool[place] = s->pool[place - 1];
    s->pool[place] = found;
    if (s->num_found > search->n_best) s->num_found--, free(s->pool[s->num_found].ids), free(s->pool[s->num_found].totals);
    if (s->num_found == search->n_best) s->to_beat = s->pool[s->num_found - 1].score;
    return status;
}

/* Takes the best candidates as the new hypotheses. DONE where none of them can gain. */
static enum Status advance(Search *search, Sentence *s) {
    const int64_t W = search->size, L = s->limit + 1, T = s->T;
    float most = -INFINITY;
    int32_t *tokens = s->tokens + (T + 1) * W, *parents = s->parents + (T + 1) * W;
    float *totals = s->totals + (T + 1) * W;
    const double divisor = penalty((double)T + 1, search->alpha), to_beat = s->to_beat;
    for (int64_t k = 0; k < s->num_best; k++) {
        const Candidate one = s->best[k];
        tokens[k] = one.token, parents[k] = one.parent, totals[k] = one.total;
        if (one.token == search->eos) {
            const double score = (double)one.total / divisor;
            totals[k] = -INFINITY;
            if (score > to_beat && set_aside(search, s, one, score) != GOES_ON) return NO_MEMORY;
        }
        most = totals[k] > most ? totals[k] : most;
    }
    const int64_t longest = s->limit + 1;
    int64_t shortest = most64(T + 2, search->min_length + 1);
    shortest = shortest < longest ? shortest : longest;
    const double of_shortest = penalty((double)shortest, search->alpha), of_longest = penalty((double)longest, search->alpha);
    const int can_gain = (double)most / (of_shortest > of_longest ? of_shortest : of_longest) > s->to_beat;
    if (!can_gain) {
        if (s->num_found) return DONE;
        Found found = {.score = -INFINITY, .is_impossible = 1}; /* nothing was allowed to end */
        s->num_found = 1;
        const enum Status status = trace(search, s, s->num_best ? s->best[0].parent : 0, -1, 0, &found);
        s->pool[0] = found;
        return status == GOES_ON ? DONE : status;
    }
    for (int64_t k = 0; k < s->num_best; k++) {
        if (totals[k] == -INFINITY) continue;
        memcpy(s->spare_slots + k * L, s->slots + parents[k] * L, (size_t)(2 * T));
        s->spare_slots[k * L + T] = (uint16_t)parents[k];
    }
    uint16_t *const slots = s->slots;
    s->slots = s->spare_slots, s->spare_slots = slots;
    s->T++, s->W = s->num_best;
    return GOES_ON;
}

#endif
