/* One step of the word aligner: the probabilities of all links, given the counts, and the sums that new counts need.
   The same as mt/alignment/expectation.py, which explains it, a pair of sentences at a time.
   R generated words (rows), C given words (columns), F classes of fertility. */
#pragma GCC optimize("O3", "fast-math") /* sums in any order; no NaN and no infinity comes in */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define F 5 /* FERTILITIES */
#define LEAST 1e-30f
#define EXPORT __attribute__((visibility("default")))

typedef struct {
    int64_t num_pairs, longest;
    const int64_t *source_start, *target_start, *cell_start;
    const int32_t *source, *target;
    const uint32_t *kind; /* of each cell: of each pair of words in each pair of sentences, T x S */
    const float *weight; /* of each pair of sentences, in all sums */
    const uint32_t *stem_kind;
    const uint8_t *spelling;
    const float *pair_count, *stem_count, *spelling_ratio;
    double *new_pair_count;
    float word_prior, stem_prior, null_share;
} Corpus;

typedef struct { /* of one direction; "given" and "new" words */
    const float *given_count, *given_stem_count, *share, *share_in_stem, *null, *fertility, *fertility_prior, *jump;
    float *posterior;
    double *jump_sum, *null_sum, *fertility_sum;
} Direction;

typedef struct { /* room for one pair of sentences */
    float *emission, *agreed, *word, *none, *before, *after;
    float *null, *scale, *norm, *ahead, *back, *next_back;
    double *jump_sum;
} Room;

typedef struct { /* one pair of sentences, seen from a direction; cell (j, i) is at j * row_step + i * column_step */
    int R, C;
    float weight;
    int64_t row_step, column_step;
    const int32_t *given, *generated;
    const uint32_t *kind;
    float *posterior;
} View;

static float at_least_zero(float x) { return x > 0 ? x : 0; }

static void emissions(const Corpus *c, const Direction *d, const View *v, Room *room) {
    for (int j = 0; j < v->R; j++) {
        int32_t generated = v->generated[j];
        room->null[j] = c->null_share * d->null[generated];
        for (int i = 0; i < v->C; i++) {
            int64_t cell = j * v->row_step + i * v->column_step;
            uint32_t kind = v->kind[cell];
            int32_t given = v->given[i];
            float own = room->agreed[cell];
            float stems = at_least_zero(c->stem_count[c->stem_kind[kind]] - own) * d->share_in_stem[generated];
            float base = c->stem_prior * d->share[generated] * c->spelling_ratio[c->spelling[kind]];
            float back_off = (stems + base) / (at_least_zero(d->given_stem_count[given] - own) + c->stem_prior);
            float count = at_least_zero(c->pair_count[kind] - own) + c->word_prior * back_off;
            float total = at_least_zero(d->given_count[given] - own) + c->word_prior;
            room->emission[j * v->C + i] = (1 - c->null_share) * count / total;
        }
    }
}

/* sum[k] = p(k words come from one given word), k = F - 1 for that many or more, with one more word of probability p */
static void add_word(const float *sum, float p, float *with) {
    with[F - 1] = sum[F - 1] + sum[F - 2] * p;
    for (int k = F - 2; k > 0; k--) with[k] = sum[k] * (1 - p) + sum[k - 1] * p;
    with[0] = sum[0] * (1 - p);
}

static void column_counts(const View *v, int i, float *before, float *after) {
    memset(before, 0, F * sizeof(float));
    before[0] = 1;
    for (int j = 0; j < v->R; j++)
        add_word(before + j * F, v->posterior[j * v->row_step + i * v->column_step], before + (j + 1) * F);
    memset(after + v->R * F, 0, F * sizeof(float));
    after[v->R * F] = 1;
    for (int j = v->R - 1; j >= 0; j--)
        add_word(after + (j + 1) * F, v->posterior[j * v->row_step + i * v->column_step], after + j * F);
}

static void times_fertility(const Direction *d, const View *v, Room *room) {
    for (int i = 0; i < v->C; i++) {
        const float *seen = d->fertility + (int64_t)v->given[i] * F;
        float log_share[F], ratio[F];
        column_counts(v, i, room->before, room->after);
        const float *own = room->before + v->R * F;
        for (int k = 0; k < F; k++) log_share[k] = logf(at_least_zero(seen[k] - v->weight * own[k]) + d->fertility_prior[k]);
        for (int k = 0; k < F - 1; k++) ratio[k] = log_share[k + 1] - log_share[k];
        ratio[F - 1] = ratio[F - 2];
        for (int j = 0; j < v->R; j++) {
            const float *x = room->before + j * F, *y = room->after + (j + 1) * F;
            float rest = 1, mean = 0;
            for (int k = 0; k < F - 1; k++) {
                float p = 0;
                for (int l = 0; l <= k; l++) p += x[l] * y[k - l];
                rest -= p;
                mean += p * ratio[k];
            }
            room->emission[j * v->C + i] *= expf(mean + at_least_zero(rest) * ratio[F - 1]);
        }
    }
}

static void sum_fertility(const Direction *d, const View *v) {
    for (int i = 0; i < v->C; i++) {
        float one[F] = {1}, two[F];
        for (int j = 0; j < v->R; j++) {
            add_word(one, v->posterior[j * v->row_step + i * v->column_step], two);
            memcpy(one, two, sizeof one);
        }
        for (int k = 0; k < F; k++) d->fertility_sum[(int64_t)v->given[i] * F + k] += v->weight * one[k];
    }
}

static double model1(const View *v, Room *room) {
    double log_likelihood = 0;
    for (int j = 0; j < v->R; j++) {
        float total = room->null[j];
        for (int i = 0; i < v->C; i++) total += room->emission[j * v->C + i] / v->C;
        total = total > LEAST ? total : LEAST;
        log_likelihood += logf(total);
        for (int i = 0; i < v->C; i++)
            v->posterior[j * v->row_step + i * v->column_step] = room->emission[j * v->C + i] / (v->C * total);
    }
    return log_likelihood;
}

static double hmm(const Corpus *c, const Direction *d, const View *v, Room *room) {
    int R = v->R, C = v->C;
    const float *jump = d->jump + c->longest + 1; /* jump[distance] */
    double *jump_sum = room->jump_sum + c->longest + 1, log_likelihood = 0;
    float first = 0;
    for (int i = 0; i < C; i++) {
        float total = 0;
        for (int k = 0; k < C; k++) total += jump[k - i];
        room->norm[i] = 1 / total;
        first += jump[i + 1];
    }
    for (int j = 0; j < R; j++) {
        float *word = room->word + j * C, *none = room->none + j * C, total = 0;
        const float *emission = room->emission + j * C;
        if (j == 0)
            for (int i = 0; i < C; i++) {
                word[i] = jump[i + 1] / first;
                none[i] = room->null[0] * word[i];
            }
        else {
            const float *last = word - C, *last_none = none - C;
            memset(word, 0, C * sizeof(float));
            for (int i = 0; i < C; i++) {
                float mass = last[i] + last_none[i], share = mass * room->norm[i];
                none[i] = mass * room->null[j];
                const float *from = jump - i;
                for (int k = 0; k < C; k++) word[k] += share * from[k];
            }
        }
        for (int i = 0; i < C; i++) {
            word[i] *= emission[i];
            total += word[i] + none[i];
        }
        total = total > LEAST ? total : LEAST;
        log_likelihood += logf(total);
        room->scale[j] = 1 / total;
        for (int i = 0; i < C; i++) {
            word[i] *= room->scale[j];
            none[i] *= room->scale[j];
        }
    }
    for (int i = 0; i < C; i++) room->back[i] = 1;
    for (int j = R - 1; j >= 0; j--) {
        const float *word = room->word + j * C, *emission = room->emission + j * C;
        for (int i = 0; i < C; i++) v->posterior[j * v->row_step + i * v->column_step] = word[i] * room->back[i];
        if (j == 0) break;
        const float *last = word - C, *last_none = room->none + (j - 1) * C;
        for (int i = 0; i < C; i++) room->ahead[i] = emission[i] * room->back[i] * room->scale[j];
        for (int i = 0; i < C; i++) {
            const float *from = jump - i;
            double *sums = jump_sum - i;
            float mass = v->weight * (last[i] + last_none[i]) * room->norm[i], total = 0;
            for (int k = 0; k < C; k++) {
                float both = from[k] * room->ahead[k];
                total += both;
                sums[k] += mass * both;
            }
            room->next_back[i] = total * room->norm[i] + room->null[j] * room->scale[j] * room->back[i];
        }
        memcpy(room->back, room->next_back, C * sizeof(float));
    }
    for (int i = 0; i < C; i++) jump_sum[i + 1] += v->weight * v->posterior[i * v->column_step];
    return log_likelihood;
}

static double direction(const Corpus *c, const Direction *d, const View *v, Room *room, int has_jumps, int has_fertility) {
    room->jump_sum = d->jump_sum;
    emissions(c, d, v, room);
    if (has_fertility) times_fertility(d, v, room);
    double log_likelihood = has_jumps ? hmm(c, d, v, room) : model1(v, room);
    for (int j = 0; j < v->R; j++) {
        float total = 0;
        for (int i = 0; i < v->C; i++) total += v->posterior[j * v->row_step + i * v->column_step];
        d->null_sum[v->generated[j]] += v->weight * at_least_zero(1 - total);
    }
    sum_fertility(d, v);
    return log_likelihood;
}

/* likelihood[2] takes the logs of both directions; `all` is room for ROOM_CELLS * longest^2 + ROOM_ROWS * (longest + 1). */
EXPORT void align_step(const Corpus *c, const Direction *forward, const Direction *backward, int has_jumps,
                       int has_fertility, double *likelihood, float *all, int threads) {
    (void)threads;
    int64_t n = c->longest, cells = n * n;
    Room room = {.emission = all, .agreed = all + cells, .word = all + 2 * cells, .none = all + 3 * cells};
    room.before = all + 4 * cells;
    room.after = room.before + F * (n + 1);
    room.null = room.after + F * (n + 1);
    room.scale = room.null + n, room.norm = room.scale + n, room.ahead = room.norm + n;
    room.back = room.ahead + n, room.next_back = room.back + n;
    likelihood[0] = likelihood[1] = 0;
    for (int64_t p = 0; p < c->num_pairs; p++) {
        int S = (int)(c->source_start[p + 1] - c->source_start[p]), T = (int)(c->target_start[p + 1] - c->target_start[p]);
        const int32_t *source = c->source + c->source_start[p], *target = c->target + c->target_start[p];
        int64_t start = c->cell_start[p];
        const uint32_t *kind = c->kind + start;
        float weight = c->weight[p];
        float *ahead = forward->posterior + start, *back = backward->posterior + start;
        for (int i = 0; i < S * T; i++) room.agreed[i] = weight * ahead[i] * back[i];
        View to_target = {T, S, weight, S, 1, source, target, kind, ahead}, to_source = {S, T, weight, 1, S, target, source, kind, back};
        likelihood[0] += direction(c, forward, &to_target, &room, has_jumps, has_fertility);
        likelihood[1] += direction(c, backward, &to_source, &room, has_jumps, has_fertility);
        for (int i = 0; i < S * T; i++) c->new_pair_count[kind[i]] += weight * ahead[i] * back[i];
    }
}

static uint64_t slot_of(int64_t key, uint64_t size) { return ((uint64_t)key * 0x9E3779B97F4A7C15u >> 20) & (size - 1); }

/* Numbers the pairs of words of all cells, from 0 in the order in which they are first seen. A pair's key is
   source * num_targets + target. Fills `kind` and `keys` (room for as many as there are cells), and `count`: how many
   distinct pairs there are; -1 if there is no memory. */
EXPORT void number_pairs(int64_t num_pairs, const int64_t *source_start, const int64_t *target_start,
                         const int32_t *source, const int32_t *target, int64_t num_targets, uint32_t *kind,
                         int64_t *keys, int64_t *count, int threads) {
    (void)threads;
    uint64_t size = 1 << 16, known = 0;
    uint32_t *slots = calloc(size, sizeof *slots); /* number + 1; 0: free */
    for (int64_t p = 0; slots && p < num_pairs; p++)
        for (int64_t t = target_start[p]; t < target_start[p + 1]; t++)
            for (int64_t s = source_start[p]; slots && s < source_start[p + 1]; s++) {
                int64_t key = source[s] * num_targets + target[t];
                uint64_t slot = slot_of(key, size);
                while (slots[slot] && keys[slots[slot] - 1] != key) slot = (slot + 1) & (size - 1);
                if (slots[slot]) {
                    *kind++ = slots[slot] - 1;
                    continue;
                }
                *kind++ = (uint32_t)known;
                keys[known++] = key;
                slots[slot] = (uint32_t)known;
                if (known < size / 2) continue;
                free(slots); /* twice the room */
                size *= 2;
                slots = calloc(size, sizeof *slots);
                for (uint64_t n = 0; slots && n < known; n++) {
                    slot = slot_of(keys[n], size);
                    while (slots[slot]) slot = (slot + 1) & (size - 1);
                    slots[slot] = (uint32_t)n + 1;
                }
            }
    *count = slots ? (int64_t)known : -1;
    free(slots);
}
