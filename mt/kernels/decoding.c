/* Beam search over a model of dense attention or recurrent units, for many sentences: those that wait take the places of those that are done.
 *
 * The same search as mt.search.beam, which explains the rules and is the oracle of the tests: log-probabilities and
 * their sums in float32, scores in float64, of equal candidates the earlier hypothesis, then the smaller id.
 */
#pragma GCC optimize("O2") /* O3 takes five times as long to compile, and is no faster */
#include "decoding_hypotheses.h"

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
    free(search->rows), free(search->work), free(search->logits), free(search->others), free(search->states);
    free(search->marks), free(search);
}

/* A search by a model, or by the members of an ensemble as one: for `count` sentences, `capacity` of them at a time, with `most_pieces` source pieces (or one sentence).
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
    search->marks = aligned(rounded(model->output->out, 64) / 8);
    if (model->next) search->others = aligned(4 * LOGITS * model->output->width);
    if (!search->marks || (model->next && !search->others) || !search->banned || !search->waiting || !search->done || !search->active || !search->rows || !search->logits)
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
    int64_t numbers = 0;
    EACH_MEMBER(m, search->model) numbers += memory_size(m, s->S);
    s->memory = aligned(4 * numbers);
    s->blocks = calloc((size_t)(L / BLOCK + 1), sizeof *s->blocks);
    s->slots = aligned(2 * W * L), s->spare_slots = aligned(2 * W * L);
    s->tokens = aligned(4 * W * (L + 1)), s->parents = aligned(4 * W * (L + 1)), s->totals = aligned(4 * W * (L + 1));
    s->best = calloc((size_t)W, sizeof *s->best), s->cut = calloc((size_t)W, 1);
    s->pool = calloc((size_t)search->n_best + 1, sizeof *s->pool);
    const Product *output = search->model->output;
    s->num_choices = output->out, s->place_of_eos = search->eos;
    search->active[search->num_active++] = s, search->pieces_active += s->S;
    if (!s->memory || !s->blocks || !s->slots || !s->spare_slots || !s->tokens || !s->parents || !s->totals ||
        !s->best || !s->cut || !s->pool)
        return NO_MEMORY;
    const Shortlist *list = search->model->shortlist;
    if (list) {
        s->choices = choices_of(list, from->ids, s->S - 1, output->out, search->marks, &s->num_choices);
        if (!s->choices) return NO_MEMORY;
        for (s->place_of_eos = 0; s->choices[s->place_of_eos] != search->eos;) s->place_of_eos++;
    }
    s->tokens[0] = (int32_t)search->bos, s->totals[0] = 0;
    return GOES_ON;
}

static int has_place(const Search *search) {
    if (search->next_waiting == search->num_waiting || search->num_active == search->capacity) return 0;
    return !search->num_active || search->pieces_active + search->waiting[search->next_waiting].S <= search->most_pieces;
}

/* Encodes sentences that wait, as many as find a place. */
static enum Status admit(Search *search) {
    const Model *first_member = search->model;
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
        int64_t head = 0;
        EACH_MEMBER(m, first_member) head = most64(head, m->head);
        const int has_room = ids && lengths && memories && scratch_for(&search->scratch, first_member, rows) &&
                             work_for(search, rounded(longest, LANES) * (head + 4));
        if (has_room) {
            for (int64_t n = 0; n < N; n++) {
                const Waiting *one = search->waiting + first + n;
                memcpy(ids + at, one->ids, (size_t)(4 * one->S));
                at += lengths[n] = one->S;
                memories[n] = search->active[before + n]->memory;
            }
            EACH_MEMBER(m, first_member) {
                encode(m, ids, lengths, N, &search->scratch, search->work);
                summarize(m, lengths, N, &search->scratch, memories);
                for (int64_t n = 0; n < N; n++) memories[n] += memory_size(m, lengths[n]);
            }
        }
        free(ids), free(lengths), free(memories);
        if (!has_room) return NO_MEMORY;
    }
    return GOES_ON;
}

static enum Status give_block(Search *search, Sentence *s) {
    if (s->T / BLOCK < s->num_blocks) return GOES_ON;
    int64_t bytes = 0;
    EACH_MEMBER(m, search->model) bytes += block_bytes(m, search->size);
    void *block = search->num_free ? search->free_blocks[--search->num_free] : aligned(bytes);
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

/* What all members say of `rows` of the R rows, from `at` on: logarithms of the sums of their probabilities, into
 * search->logits. Whoever reads them as logits gets the mean of the probabilities. */
static enum Status mixed(Search *search, int64_t at, int64_t R, int64_t rows) {
    const float *states = search->states;
    EACH_MEMBER(m, search->model) {
        float *logits = m == search->model ? search->logits : search->others;
        const int64_t width = m->output->width;
        multiply(m->output, states + at * m->dim, m->dim, rows, logits, width, width, SET, search->scratch.room);
        for (int64_t r = 0; r < rows; r++) {
            if (normalize_row(logits + r * width, width) != GOES_ON) return NOT_A_NUMBER;
            if (logits == search->others) add_probabilities(search->logits + r * width, logits + r * width, width);
        }
        states += R * m->dim;
    }
    return GOES_ON;
}

/* The logits of the next rows, of all pieces or of the sentence's choices; returns how many rows, `left` at most. */
static int64_t logits_of(Search *search, const Sentence *s, const float *states, int64_t left) {
    const Model *m = search->model;
    const int64_t most = s->choices ? MOST_READERS : LOGITS, rows = left < most ? left : most;
    if (s->choices)
        multiply_chosen(m->output, states, m->dim, (int)rows, s->choices, s->num_choices, search->logits,
                        rounded(s->num_choices, LANES), search->scratch.room);
    else
        multiply(m->output, states, m->dim, rows, search->logits, m->output->width, m->output->width, SET, search->scratch.room);
    return rows;
}

/* A step of every member for R rows: the states that their output projections read, one member's after the other. */
static const float *states_of(Search *search, int64_t R) {
    const Model *first = search->model;
    if (!first->next) return decode(first, search->rows, R, &search->scratch, search->work);
    int64_t numbers = 0;
    EACH_MEMBER(m, first) numbers += R * m->dim;
    if (numbers > search->room_states) {
        free(search->states);
        search->states = aligned(4 * numbers), search->room_states = search->states ? numbers : 0;
        if (!search->states) return NULL;
    }
    float *to = search->states;
    EACH_MEMBER(m, first) {
        memcpy(to, decode(m, search->rows, R, &search->scratch, search->work), (size_t)(4 * R * m->dim));
        to += R * m->dim;
        for (int64_t r = 0; r < R; r++) {
            Row *row = search->rows + r;
            row->memory += memory_size(m, row->S), row->ahead += block_bytes(m, search->size);
        }
    }
    return search->states;
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
                search->rows[R++] = (Row){s->tokens[s->T * search->size + w], s->T, s->S, s->memory, s->blocks, 0,
                                          s->slots + w * (s->limit + 1), w, search->size};
    }
    int64_t heads = 0;
    EACH_MEMBER(each, m) heads = most64(heads, most_heads(each));
    const int64_t room = most64(heads * rounded(longest, LANES), 4 * rounded(longest_source, LANES));
    if (!scratch_for(&search->scratch, m, R) || !work_for(search, room)) return NO_MEMORY;
    const float *states = states_of(search, R);
    if (!states) return NO_MEMORY;
    int64_t at = 0, first = 0, next = 0; /* rows `first` to `next` have logits */
    for (int64_t i = 0; i < search->num_active; i++) {
        Sentence *s = search->active[i];
        int64_t left = 0, stride = 0;
        for (int64_t w = 0; w < s->W; w++) left += s->totals[s->T * search->size + w] > -INFINITY;
        for (int64_t w = 0; w < s->W; w++) {
            if (!(s->totals[s->T * search->size + w] > -INFINITY)) continue;
            if (at == next) {
                first = next;
                if (!m->next) {
                    next += logits_of(search, s, states + at * m->dim, s->choices ? left : R - at);
                } else {
                    next += R - at < LOGITS ? R - at : LOGITS;
                    if (mixed(search, first, R, next - first) != GOES_ON) return NOT_A_NUMBER;
                }
            }
            stride = s->choices ? rounded(s->num_choices, LANES) : m->output->width;
            if (look_at(search, s, w, search->logits + (at - first) * stride) != GOES_ON) return NOT_A_NUMBER;
            at++, left--;
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
