/* Beam search over a dense model, for many sentences: those that wait take the places of those that are done.
 *
 * The same search as mt.search.beam, which explains the rules and is the oracle of the tests: log-probabilities and
 * their sums in float32, scores in float64, of equal candidates the earlier hypothesis, then the smaller id.
 */
#pragma GCC optimize("O2") /* O3 takes five times as long to compile, and is no faster */
#include "decoding_layers.h"

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
    int64_t num_waiting, room_waiting, next_waiting;
    Sentence **active;
    int64_t num_active, pieces_active;
    Sentence *done; /* by the caller's number */
    int64_t num_sentences;
    void **free_blocks; /* of the cache, to be used again */
    int64_t num_free, room_free;
    Row *rows;
    Scratch scratch;
    float *work, *logits;
    int64_t room_work;
    enum Status status;
} Search;

#define LOGITS 64      /* rows whose logits are in memory together */
#define TOGETHER 2048  /* source pieces that are encoded together, unless one sentence has more */
#define LOOKED_AT 64   /* logits whose greatest is compared before each is */

static double penalty(double length, double alpha) { return pow((5 + length) / 6, alpha); }

static void sentence_free(Sentence *s) {
    free(s->memory), free(s->blocks), free(s->slots), free(s->spare_slots), free(s->tokens), free(s->parents);
    free(s->totals), free(s->best), free(s->cut);
    s->memory = NULL, s->blocks = NULL, s->slots = s->spare_slots = NULL, s->tokens = s->parents = NULL;
    s->totals = NULL, s->best = NULL, s->cut = NULL;
}

void decoding_free_search(Search *search) {
    if (!search) return;
    for (int64_t i = 0; i < search->num_active; i++) {
        for (int64_t b = 0; b < search->active[i]->num_blocks; b++) free(search->active[i]->blocks[b]);
        sentence_free(search->active[i]);
    }
    for (int64_t i = 0; i < search->num_sentences; i++) {
        for (int64_t f = 0; f < search->done[i].num_found; f++)
            free(search->done[i].pool[f].ids), free(search->done[i].pool[f].totals);
        free(search->done[i].pool);
    }
    for (int64_t b = 0; b < search->num_free; b++) free(search->free_blocks[b]);
    for (int64_t i = 0; i < search->num_waiting; i++) free(search->waiting[i].ids);
    scratch_free(&search->scratch);
    free(search->banned), free(search->waiting), free(search->active), free(search->done), free(search->free_blocks);
    free(search->rows), free(search->work), free(search->logits), free(search);
}

/* A search for `count` sentences, `capacity` of them at a time, with `most_pieces` source pieces (or one sentence).
 * NULL where there is no memory. */
Search *decoding_search(
    const Model *model, int64_t count, int64_t size, int64_t n_best, double alpha, int64_t min_length, int64_t bos,
    int64_t eos, const int32_t *banned, int64_t num_banned, int64_t capacity, int64_t most_pieces) {
    Search *search = calloc(1, sizeof *search);
    if (!search) return NULL;
    search->model = model, search->size = size, search->n_best = n_best, search->alpha = alpha;
    search->min_length = min_length, search->bos = bos, search->eos = eos, search->capacity = capacity, search->most_pieces = most_pieces;
    search->banned = aligned(4 * num_banned), search->num_banned = num_banned;
    search->waiting = calloc((size_t)count + 1, sizeof *search->waiting);
    search->done = calloc((size_t)count + 1, sizeof *search->done), search->num_sentences = count;
    search->active = calloc((size_t)capacity, sizeof *search->active);
    search->rows = calloc((size_t)(capacity * size), sizeof *search->rows);
    search->logits = aligned(4 * LOGITS * model->output->width);
    if (!search->banned || !search->waiting || !search->done || !search->active || !search->rows || !search->logits)
        return decoding_free_search(search), NULL;
    memcpy(search->banned, banned, (size_t)(4 * num_banned));
    return search;
}

/* Puts a sentence of S pieces at the end of those that wait; its hypotheses have at most `limit` tokens and EOS. */
enum Status decoding_add(Search *search, int64_t index, const int32_t *ids, int64_t S, int64_t limit) {
    Waiting *one = search->waiting + search->num_waiting;
    one->ids = aligned(4 * S);
    if (!one->ids) return NO_MEMORY;
    memcpy(one->ids, ids, (size_t)(4 * S));
    one->index = index, one->S = S, one->limit = limit;
    search->num_waiting++;
    return GOES_ON;
}

static int work_for(Search *search, int64_t size) {
    if (size <= search->room_work) return 1;
    free(search->work);
    search->work = aligned(4 * size), search->room_work = search->work ? size : 0;
    return search->work != NULL;
}

static enum Status begin(Search *search, const Waiting *from) {
    const int64_t L = from->limit + 1, W = search->size;
    Sentence *s = search->done + from->index;
    s->index = from->index, s->S = from->S, s->limit = from->limit, s->W = 1, s->to_beat = -INFINITY;
    s->memory = aligned(4 * memory_size(search->model, s->S));
    s->blocks = calloc((size_t)(L / BLOCK + 1), sizeof *s->blocks);
    s->slots = aligned(2 * W * L), s->spare_slots = aligned(2 * W * L);
    s->tokens = aligned(4 * W * (L + 1)), s->parents = aligned(4 * W * (L + 1)), s->totals = aligned(4 * W * (L + 1));
    s->best = calloc((size_t)W, sizeof *s->best), s->cut = calloc((size_t)W, 1);
    s->pool = calloc((size_t)search->n_best + 1, sizeof *s->pool);
    search->active[search->num_active++] = s, search->pieces_active += s->S;
    if (!s->memory || !s->blocks || !s->slots || !s->spare_slots || !s->tokens || !s->parents || !s->totals ||
        !s->best || !s->cut || !s->pool)
        return NO_MEMORY;
    s->tokens[0] = (int32_t)search->bos, s->totals[0] = 0;
    return GOES_ON;
}

static int has_place(const Search *search) {
    if (search->next_waiting == search->num_waiting || search->num_active == search->capacity) return 0;
    return !search->num_active || search->pieces_active + search->waiting[search->next_waiting].S <= search->most_pieces;
}

/* Encodes sentences that wait, as many as find a place. */
static enum Status admit(Search *search) {
    const Model *m = search->model;
    while (has_place(search)) {
        const int64_t first = search->next_waiting, before = search->num_active;
        int64_t rows = 0, longest = 0, N = 0;
        while (has_place(search)) {
            const Waiting *one = search->waiting + search->next_waiting;
            if (N && rows + one->S > TOGETHER) break;
            if (begin(search, one) != GOES_ON) return NO_MEMORY;
            rows += one->S, longest = most64(longest, one->S), N++, search->next_waiting++;
        }
        int32_t *ids = aligned(4 * rows);
        int64_t *lengths = aligned(8 * N), at = 0;
        float **memories = aligned((int64_t)sizeof(float *) * N);
        const int has_room = ids && lengths && memories && scratch_for(&search->scratch, m, rows) &&
                             work_for(search, rounded(longest, LANES) * (m->head + 4));
        if (has_room) {
            for (int64_t n = 0; n < N; n++) {
                const Waiting *one = search->waiting + first + n;
                memcpy(ids + at, one->ids, (size_t)(4 * one->S));
                at += lengths[n] = one->S;
                memories[n] = search->active[before + n]->memory;
            }
            encode(m, ids, lengths, N, &search->scratch, search->work);
            summarize(m, lengths, N, &search->scratch, memories);
        }
        free(ids), free(lengths), free(memories);
        if (!has_room) return NO_MEMORY;
    }
    return GOES_ON;
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

/* Offers the continuations of hypothesis `slot` by its logits. */
static enum Status look_at(const Search *search, Sentence *s, int64_t slot, const float *logits) {
    const int64_t padded = search->model->output->width, size = search->model->output->out, eos = search->eos;
    vf most = load(logits), mass = {0};
    for (int64_t v = LANES; v < padded; v += LANES) most = larger(most, load(logits + v));
    const float highest = largest(most);
    for (int64_t v = 0; v < padded; v += LANES) mass += exponential(load(logits + v) - highest);
    const float log_sum = logf(sum(mass)), before = s->totals[s->T * search->size + slot];
    if (!(log_sum == log_sum)) return NOT_A_NUMBER;
#define TOTAL(v) (before + ((logits[v] - highest) - log_sum))
    const int64_t least = search->min_length < s->limit ? search->min_length : s->limit;
    const int may_end = s->T >= least;
    s->cut[slot] = 0;
    if (s->T == s->limit) {
        for (int64_t v = 0; v < size && !s->cut[slot]; v++) s->cut[slot] = logits[v] > logits[eos] && !is_banned(search, v);
        offer(search, s, TOTAL(eos), slot, eos);
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
            if (total > -INFINITY && !is_banned(search, v) && (may_end || v != eos)) offer(search, s, total, slot, v);
        }
    }
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

static enum Status give_block(Search *search, Sentence *s) {
    if (s->T / BLOCK < s->num_blocks) return GOES_ON;
    void *block = search->num_free ? search->free_blocks[--search->num_free]
                                    : aligned(block_bytes(search->model, search->size));
    if (!block) return NO_MEMORY;
    s->blocks[s->num_blocks++] = block;
    return GOES_ON;
}

static enum Status take_blocks(Search *search, Sentence *s) {
    if (search->num_free + s->num_blocks > search->room_free) {
        const int64_t room = 2 * (search->num_free + s->num_blocks);
        void **more = realloc(search->free_blocks, (size_t)room * sizeof *more);
        if (!more) return NO_MEMORY;
        search->free_blocks = more, search->room_free = room;
    }
    while (s->num_blocks) search->free_blocks[search->num_free++] = s->blocks[--s->num_blocks];
    return GOES_ON;
}

static enum Status step(Search *search) {
    const Model *m = search->model;
    int64_t R = 0, longest = 0, longest_source = 0;
    for (int64_t i = 0; i < search->num_active; i++) {
        Sentence *s = search->active[i];
        if (give_block(search, s) != GOES_ON) return NO_MEMORY;
        longest = most64(longest, s->T + 1), longest_source = most64(longest_source, s->S), s->num_best = 0;
        for (int64_t w = 0; w < s->W; w++)
            if (s->totals[s->T * search->size + w] > -INFINITY)
                search->rows[R++] = (Row){s->tokens[s->T * search->size + w], s->T, s->S, s->memory, s->blocks,
                                          s->slots + w * (s->limit + 1), w, search->size};
    }
    const int64_t room = most64(m->heads * rounded(longest, LANES), 4 * rounded(longest_source, LANES));
    if (!scratch_for(&search->scratch, m, R) || !work_for(search, room)) return NO_MEMORY;
    const float *states = decode(m, search->rows, R, &search->scratch, search->work);
    const Product *output = m->output;
    int64_t at = 0, first = 0;
    for (int64_t i = 0; i < search->num_active; i++) {
        Sentence *s = search->active[i];
        for (int64_t w = 0; w < s->W; w++) {
            if (!(s->totals[s->T * search->size + w] > -INFINITY)) continue;
            if (at == first) {
                const int64_t count = R - first < LOGITS ? R - first : LOGITS;
                multiply(output, states + first * m->dim, m->dim, count, search->logits, output->width, output->width,
                         SET, search->scratch.room);
                first += count;
            }
            const float *logits = search->logits + (at % LOGITS) * output->width;
            if (look_at(search, s, w, logits) != GOES_ON) return NOT_A_NUMBER;
            at++;
        }
    }
    int64_t left = 0;
    for (int64_t i = 0; i < search->num_active; i++) {
        Sentence *s = search->active[i];
        const enum Status status = advance(search, s);
        if (status == NO_MEMORY) return NO_MEMORY;
        if (status == GOES_ON) {
            search->active[left++] = s;
            continue;
        }
        if (take_blocks(search, s) != GOES_ON) return NO_MEMORY;
        search->pieces_active -= s->S;
        sentence_free(s);
    }
    search->num_active = left;
    return GOES_ON;
}

/* At most so many steps. */
enum Status decoding_run(Search *search, int64_t steps) {
    while (steps-- > 0 && search->status == GOES_ON) {
        const int64_t places = search->capacity - search->num_active, pieces = search->most_pieces - search->pieces_active;
        /* several at a time: products of few rows are slow */
        if (!search->num_active || (places * 8 >= search->capacity && pieces * 8 >= search->most_pieces))
            search->status = admit(search);
        if (search->status != GOES_ON) break;
        if (!search->num_active) search->status = DONE;
        else search->status = step(search);
    }
    return search->status;
}

/* How many hypotheses were found for a sentence, and the tokens of each with EOS. */
int64_t decoding_count(const Search *search, int64_t index) { return search->done[index].num_found; }

const Found *decoding_found(const Search *search, int64_t index, int64_t rank) {
    return search->done[index].pool + rank;
}
