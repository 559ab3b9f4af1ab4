/* One step of the word aligner: the probabilities of all links, given the counts, and the sums that new counts need.
   The same as mt/alignment/expectation.py, which explains it, a pair of sentences at a time.
   R generated words (rows), C given words (columns), F classes of fertility. */
#pragma GCC optimize("O3", "fast-math") /* sums in any order; no NaN and no infinity comes in */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define F 5 /* FERTILITIES */
#define NEGLIGIBLE 1e-4f /* of a link's probability, for fertility: most are smaller, and change nothing */
#define LEAST 1e-30f
#define PREFETCH 32 /* cells ahead */
#define VECTOR 16 /* floats */
#define WHOLE(length) (((length) + VECTOR - 1) / VECTOR * VECTOR)
#define EXPORT __attribute__((visibility("default")))

typedef struct {
    int64_t num_pairs, longest;
    const int64_t *source_start, *target_start, *cell_start;
    const int32_t *source, *target;
    const uint32_t *kind; /* of each cell: of each pair of words in each pair of sentences, T x S */
    const float *weight; /* of each pair of sentences, in all sums */
    float *of_kind; /* 4 numbers of each kind: links of the words, links of their stems, ratio of the spelling, new links */
    float word_prior, stem_prior, null_share;
} Corpus;

typedef struct { /* of one direction; "given" and "new" words */
    const float *given_count, *given_stem_count, *share, *share_in_stem, *null, *fertility, *fertility_prior, *jump;
    float *posterior;
    double *jump_sum, *null_sum, *fertility_sum;
} Direction;

typedef struct { /* room for one pair of sentences */
    float *emission, *word, *none; /* R rows of `stride` numbers, zero from C on */
    float *agreed, *links, *stem_links, *base; /* of each cell */
    float *before, *after;
    float *null, *scale, *norm, *ahead, *back, *next_back, *share, *given, *stems, *jumps;
    int *rows;
} Room;

typedef struct { /* one pair of sentences, seen from a direction; cell (j, i) is at j * row_step + i * column_step */
    int R, C, stride; /* C rounded up to whole vectors */
    float weight;
    int64_t row_step, column_step;
    const int32_t *given, *generated;
    float *posterior;
} View;

static float at_least_zero(float x) { return x > 0 ? x : 0; }

/* What both directions read of each cell, its own part left out. */
static void look_up(const Corpus *c, const uint32_t *kind, int cells, int64_t cells_left, Room *room) {
    for (int i = 0; i < cells; i++) {
        if (i + PREFETCH < cells_left) __builtin_prefetch(c->of_kind + 4 * (int64_t)kind[i + PREFETCH]);
        const float *of_kind = c->of_kind + 4 * (int64_t)kind[i];
        room->links[i] = at_least_zero(of_kind[0] - room->agreed[i]);
        room->stem_links[i] = at_least_zero(of_kind[1] - room->agreed[i]);
        room->base[i] = c->stem_prior * of_kind[2];
    }
}

static inline float emission(const Corpus *c, const Room *room, int64_t cell, float given, float stems, float share,
                             float share_in_stem) {
    float own = room->agreed[cell];
    float back_off = (room->stem_links[cell] * share_in_stem + room->base[cell] * share)
                     / (at_least_zero(stems - own) + c->stem_prior);
    return (1 - c->null_share) * (room->links[cell] + c->word_prior * back_off)
           / (at_least_zero(given - own) + c->word_prior);
}

static void emissions(const Corpus *c, const Direction *d, const View *v, Room *room) {
    for (int i = 0; i < v->C; i++) {
        room->given[i] = d->given_count[v->given[i]];
        room->stems[i] = d->given_stem_count[v->given[i]];
    }
    for (int j = 0; j < v->R; j++) {
        int32_t generated = v->generated[j];
        float *to = room->emission + j * v->stride, share = d->share[generated], in_stem = d->share_in_stem[generated];
        room->null[j] = c->null_share * d->null[generated];
        if (v->column_step == 1)
            for (int i = 0; i < v->C; i++)
                to[i] = emission(c, room, j * v->row_step + i, room->given[i], room->stems[i], share, in_stem);
        else
            for (int i = 0; i < v->C; i++)
                to[i] = emission(c, room, j + i * v->column_step, room->given[i], room->stems[i], share, in_stem);
        for (int i = v->C; i < v->stride; i++) to[i] = 0;
    }
}

/* sum[k] = p(k words come from one given word), k = F - 1 for that many or more, with one more word of probability p */
static void add_word(const float *sum, float p, float *with) {
    with[F - 1] = sum[F - 1] + sum[F - 2] * p;
    for (int k = F - 2; k > 0; k--) with[k] = sum[k] * (1 - p) + sum[k - 1] * p;
    with[0] = sum[0] * (1 - p);
}

/* The rows of a column that are not negligible, and the counts of the column with the rows before each of them, and with
   those from it on. */
static int column_counts(const View *v, int i, Room *room) {
    float *before = room->before, *after = room->after;
    int n = 0;
    memset(before, 0, F * sizeof(float));
    before[0] = 1;
    for (int j = 0; j < v->R; j++) {
        float p = v->posterior[j * v->row_step + i * v->column_step];
        if (p < NEGLIGIBLE) continue;
        add_word(before + n * F, p, before + (n + 1) * F);
        room->rows[n] = j;
        room->share[n++] = p;
    }
    memset(after + n * F, 0, F * sizeof(float));
    after[n * F] = 1;
    for (int k = n - 1; k >= 0; k--) add_word(after + (k + 1) * F, room->share[k], after + k * F);
    return n;
}

static void times_fertility(const Direction *d, const View *v, Room *room) {
    for (int i = 0; i < v->C; i++) {
        const float *seen = d->fertility + (int64_t)v->given[i] * F;
        float log_share[F], ratio[F], mean = 0;
        int n = column_counts(v, i, room);
        const float *own = room->before + n * F;
        for (int k = 0; k < F; k++) log_share[k] = logf(at_least_zero(seen[k] - v->weight * own[k]) + d->fertility_prior[k]);
        for (int k = 0; k < F - 1; k++) ratio[k] = log_share[k + 1] - log_share[k];
        ratio[F - 1] = ratio[F - 2];
        for (int k = 0; k < F; k++) mean += own[k] * ratio[k];
        float all = expf(mean);
        int next = 0; /* of the rows that are not negligible */
        for (int j = 0; j < v->R; j++) {
            if (next == n || room->rows[next] != j) {
                room->emission[j * v->stride + i] *= all;
                continue;
            }
            const float *x = room->before + next * F, *y = room->after + (next + 1) * F;
            float rest = 1, mean_of_others = 0;
            for (int k = 0; k < F - 1; k++) {
                float p = 0;
                for (int l = 0; l <= k; l++) p += x[l] * y[k - l];
                rest -= p;
                mean_of_others += p * ratio[k];
            }
            room->emission[j * v->stride + i] *= expf(mean_of_others + at_least_zero(rest) * ratio[F - 1]);
            next++;
        }
    }
}

static void sum_fertility(const Direction *d, const View *v) {
    for (int i = 0; i < v->C; i++) {
        float one[F] = {1}, two[F];
        for (int j = 0; j < v->R; j++) {
            float p = v->posterior[j * v->row_step + i * v->column_step];
            if (p < NEGLIGIBLE) continue;
            add_word(one, p, two);
            memcpy(one, two, sizeof one);
        }
        for (int k = 0; k < F; k++) d->fertility_sum[(int64_t)v->given[i] * F + k] += v->weight * one[k];
    }
}

static double model1(const View *v, Room *room) {
    double log_likelihood = 0;
    for (int j = 0; j < v->R; j++) {
        float total = room->null[j];
        for (int i = 0; i < v->C; i++) total += room->emission[j * v->stride + i] / v->C;
        total = total > LEAST ? total : LEAST;
        log_likelihood += logf(total);
        for (int i = 0; i < v->C; i++)
            v->posterior[j * v->row_step + i * v->column_step] = room->emission[j * v->stride + i] / (v->C * total);
    }
    return log_likelihood;
}

static double hmm(const Corpus *c, const Direction *d, const View *v, Room *room) {
    int R = v->R, C = v->C, stride = v->stride;
    const float *jump = d->jump + c->longest + 1; /* jump[distance] */
    float *jumps = room->jumps + c->longest + 1, first = 0;
    double log_likelihood = 0;
    memset(jumps - stride, 0, (2 * stride + 1) * sizeof(float));
    for (int i = 0; i < C; i++) {
        float total = 0;
        for (int k = 0; k < C; k++) total += jump[k - i];
        room->norm[i] = 1 / total;
        first += jump[i + 1];
    }
    for (int j = 0; j < R; j++) {
        float *restrict word = room->word + j * stride, *restrict none = room->none + j * stride, total = 0;
        const float *emission = room->emission + j * stride;
        if (j == 0)
            for (int i = 0; i < stride; i++) {
                word[i] = i < C ? jump[i + 1] / first : 0;
                none[i] = room->null[0] * word[i];
            }
        else {
            const float *last = word - stride, *last_none = none - stride;
            memset(word, 0, stride * sizeof(float));
            for (int i = 0; i < C; i++) {
                float share = (last[i] + last_none[i]) * room->norm[i];
                const float *from = jump - i;
                for (int k = 0; k < stride; k++) word[k] += share * from[k];
            }
            for (int i = 0; i < stride; i++) none[i] = (last[i] + last_none[i]) * room->null[j];
        }
        for (int i = 0; i < stride; i++) {
            word[i] *= emission[i];
            total += word[i] + none[i];
        }
        total = total > LEAST ? total : LEAST;
        log_likelihood += logf(total);
        float scale = room->scale[j] = 1 / total;
        for (int i = 0; i < stride; i++) {
            word[i] *= scale;
            none[i] *= scale;
        }
    }
    for (int i = 0; i < stride; i++) room->back[i] = 1;
    for (int j = R - 1; j >= 0; j--) {
        const float *word = room->word + j * stride, *emission = room->emission + j * stride;
        for (int i = 0; i < C; i++) v->posterior[j * v->row_step + i * v->column_step] = word[i] * room->back[i];
        if (j == 0) break;
        const float *last = word - stride, *last_none = room->none + (j - 1) * stride;
        float *restrict ahead = room->ahead, *restrict back = room->back;
        for (int i = 0; i < stride; i++) ahead[i] = emission[i] * back[i] * room->scale[j];
        for (int i = 0; i < C; i++) {
            const float *from = jump - i;
            float *restrict sums = jumps - i;
            float mass = v->weight * (last[i] + last_none[i]) * room->norm[i], total = 0;
            for (int k = 0; k < stride; k++) {
                float both = from[k] * ahead[k];
                total += both;
                sums[k] += mass * both;
            }
            room->next_back[i] = total * room->norm[i] + room->null[j] * room->scale[j] * back[i];
        }
        memcpy(back, room->next_back, C * sizeof(float));
    }
    for (int i = 0; i < C; i++) jumps[i + 1] += v->weight * v->posterior[i * v->column_step];
    double *sums = d->jump_sum + c->longest + 1;
    for (int k = -C; k <= C; k++) sums[k] += jumps[k];
    return log_likelihood;
}

static double direction(const Corpus *c, const Direction *d, const View *v, Room *room, int has_jumps, int has_fertility) {
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

/* likelihood[2] takes the logs of both directions. `longest` is a multiple of VECTOR; `all` is room for 7 longest^2 +
   (2 F + 14) (longest + 1) floats. */
EXPORT void align_step(const Corpus *c, const Direction *forward, const Direction *backward, int has_jumps,
                       int has_fertility, double *likelihood, float *all, int threads) {
    (void)threads;
    int64_t n = c->longest, cells = n * n;
    Room room = {.emission = all, .word = all + cells, .none = all + 2 * cells, .agreed = all + 3 * cells};
    room.links = room.agreed + cells, room.stem_links = room.links + cells, room.base = room.stem_links + cells;
    room.before = room.base + cells;
    room.after = room.before + F * (n + 1);
    room.null = room.after + F * (n + 1);
    room.scale = room.null + n, room.norm = room.scale + n, room.ahead = room.norm + n;
    room.back = room.ahead + n, room.next_back = room.back + n, room.share = room.next_back + n;
    room.given = room.share + n, room.stems = room.given + n;
    room.jumps = room.stems + n; /* 2 n + 3 */
    room.rows = (int *)(room.jumps + 2 * n + 3); /* as large as floats */
    likelihood[0] = likelihood[1] = 0;
    for (int64_t p = 0; p < c->num_pairs; p++) {
        int S = (int)(c->source_start[p + 1] - c->source_start[p]), T = (int)(c->target_start[p + 1] - c->target_start[p]);
        if (!S || !T) continue;
        const int32_t *source = c->source + c->source_start[p], *target = c->target + c->target_start[p];
        int64_t start = c->cell_start[p];
        const uint32_t *kind = c->kind + start;
        float weight = c->weight[p], *ahead = forward->posterior + start, *back = backward->posterior + start;
        for (int i = 0; i < S * T; i++) room.agreed[i] = weight * ahead[i] * back[i];
        look_up(c, kind, S * T, c->cell_start[c->num_pairs] - start, &room);
        View to_target = {T, S, WHOLE(S), weight, S, 1, source, target, ahead};
        View to_source = {S, T, WHOLE(T), weight, 1, S, target, source, back};
        likelihood[0] += direction(c, forward, &to_target, &room, has_jumps, has_fertility);
        likelihood[1] += direction(c, backward, &to_source, &room, has_jumps, has_fertility);
        for (int i = 0; i < S * T; i++) c->of_kind[4 * (int64_t)kind[i] + 3] += weight * ahead[i] * back[i];
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
