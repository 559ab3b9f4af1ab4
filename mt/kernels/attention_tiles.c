/* `attend` and `attend_backward` of attention.c in bf16, whose products are those of AMX or AVX-512. */
#include "tiles.h"
#ifdef __AVX512BF16__

typedef struct {
    int64_t batch, head, place; /* numbers between neighbours; the numbers of a head lie side by side */
} Strides;

INLINE int64_t to_blocks(int64_t size) { return (size + BLOCK - 1) / BLOCK; }

/* A thread's room for a sentence and a head of at most `rows` queries or keys. */
typedef struct {
    bf16 *left, *right, *turned, *weights, *slopes; /* rows x size, tiles (twice), rows x rows (twice) */
    float *scores, *sums, *others; /* rows x rows or x size, rows x size (twice) */
    void *all;
} Room;

static Room new_room(int64_t most, int64_t size) {
    int64_t rows = to_blocks(most) * BLOCK, square = rows * rows, flat = rows * size;
    int64_t larger = square > flat ? square : flat;
    Room room;
    room.all = aligned_alloc(64, (size_t)(2 * flat + larger + 2 * square) * sizeof(bf16) +
                                     (size_t)(larger + 2 * flat) * sizeof(float));
    room.left = room.all, room.right = room.left + flat, room.turned = room.right + flat;
    room.weights = room.turned + larger, room.slopes = room.weights + square;
    room.scores = (float *)(room.slopes + square);
    room.sums = room.scores + larger, room.others = room.sums + flat;
    return room;
}

static void copy_rows(const bf16 *from, int64_t place, int64_t rows, int64_t size, bf16 *to) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < size; j += BLOCK)
            _mm512_store_si512(to + i * size + j, _mm512_loadu_si512(from + i * place + j));
}

/* Rows of x (places x size) into tiles: blocks of rows, then of columns. `turned`: for x xᵀ, whose columns are rows. */
static void pack_rows(const bf16 *x, int64_t place, int64_t rows, int64_t size, int turned, bf16 *to) {
    int64_t deep = to_blocks(rows), wide = size / BLOCK;
    for (int64_t i = 0; i < deep; i++)
        for (int64_t j = 0; j < wide; j++) {
            int64_t at = i * BLOCK * place + j * BLOCK, left = rows - i * BLOCK;
            if (turned) to_right_tiles_transposed(x, 1, at, place, left, to + (i * wide + j) * PAIR);
            else to_right_tiles(x, 1, at, place, left, to + (j * deep + i) * PAIR);
        }
}

/* to (rows x columns, float) = left (rows x depth blocks) right; or += it. Works on 16 rows at a time. */
INLINE void multiply(const bf16 *left, int64_t row, int64_t next, const bf16 *right, int64_t rows, int64_t columns,
                     int64_t depth, float *to, int64_t to_row, int adds) {
    for (int64_t i = 0; i < rows; i += 16)
        for (int64_t c = 0; c < columns / BLOCK; c++)
            multiply_half_block(left + i * row, row, next, right + c * depth * PAIR, depth, to + i * to_row + c * BLOCK,
                                to_row, adds);
}

/* to (columns of x, float) = or += xᵀ right, for x of `rows` x `columns` numbers, rows are zero from there on. */
static void multiply_transposed(const bf16 *x, int64_t row, int64_t rows, int64_t columns, const bf16 *right,
                                int64_t size, bf16 *turned, float *to, int adds) {
    int64_t depth = to_blocks(rows);
    for (int64_t c = 0; c < columns / BLOCK; c++) {
        for (int64_t k = 0; k < depth; k++)
            to_left_tiles_transposed(x + k * BLOCK * row + c * BLOCK, row, rows - k * BLOCK, turned + k * PAIR, 0);
        multiply(turned, BLOCK, PAIR, right, BLOCK, size, depth, to + c * BLOCK * size, size, adds);
    }
}

static void round_rows(const float *from, int64_t rows, int64_t size, bf16 *to, int64_t place) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < size; j += BLOCK)
            _mm512_storeu_si512(to + i * place + j, rounded(load(from + i * size + j), load(from + i * size + j + 16)));
}

INLINE __mmask16 visible(const uint8_t *mask, int64_t step, int64_t j, int64_t size) {
    __mmask16 real = size - j >= 16 ? 0xffff : size > j ? (__mmask16)((1 << (size - j)) - 1) : 0;
    if (!mask) return real;
    if (step == 1) {
        __m128i bytes = _mm_maskz_loadu_epi8(real, mask + j);
        return _mm_test_epi8_mask(bytes, bytes);
    }
    __mmask16 seen = 0;
    for (int i = 0; i < 16 && j + i < size; i++) seen |= (__mmask16)((mask[(j + i) * step] != 0) << i);
    return seen;
}

/* softmax(scale * scores) of the keys that may be looked at, and 0 from `size` on. */
static void softmax(float *scores, int64_t size, int64_t wide, float scale, const uint8_t *mask, int64_t step,
                    bf16 *to) {
    vf high = all(-INFINITY), total = all(0);
    for (int64_t j = 0; j < wide; j += LANES) {
        __m512 x = _mm512_mask_mov_ps((__m512)all(-INFINITY), visible(mask, step, j, size),
                                      (__m512)(load(scores + j) * scale));
        high = larger((vf)x, high);
        store(scores + j, (vf)x);
    }
    float most = largest(high);
    for (int64_t j = 0; j < wide; j += LANES) {
        vf e = exponential(load(scores + j) - most);
        e = (vf)_mm512_maskz_mov_ps(visible(0, 0, j, size), (__m512)e); /* NaN, where no key may be looked at */
        total += e;
        store(scores + j, e);
    }
    float share = 1 / sum(total);
    for (int64_t j = 0; j < wide; j += BLOCK) {
        vf low = load(scores + j) * share, upper = load(scores + j + LANES) * share;
        low = (vf)_mm512_maskz_mov_ps(visible(0, 0, j, size), (__m512)low);
        upper = (vf)_mm512_maskz_mov_ps(visible(0, 0, j + LANES, size), (__m512)upper);
        _mm512_storeu_si512(to + j, rounded(low, upper));
    }
}

/* As `attend`, for heads whose size is a multiple of 32. weights: batch x heads x T x (S rounded up to 32). */
EXPORT void tile_attend(const bf16 *q, const bf16 *k, const bf16 *v, const int64_t *strides, const uint8_t *mask,
                        const int64_t *mask_strides, bf16 *weights, bf16 *out, int64_t batch, int64_t heads,
                        int64_t groups, int64_t T, int64_t S, int64_t size, float scale, int threads) {
    (void)threads;
    const Strides *of = (const Strides *)strides; /* of q, k, v, out */
    int64_t keys = to_blocks(S), wide = keys * BLOCK, shared = heads / groups, deep = size / BLOCK;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        set_up_tiles();
        Room room = new_room(T > S ? T : S, size);
#pragma omp for schedule(static)
        for (int64_t at = 0; at < batch * heads; at++) {
            int64_t b = at / heads, h = at % heads, g = h / shared;
            const bf16 *values = v + b * of[2].batch + g * of[2].head;
            copy_rows(q + b * of[0].batch + h * of[0].head, of[0].place, T, size, room.left);
            pack_rows(k + b * of[1].batch + g * of[1].head, of[1].place, S, size, 1, room.right);
            multiply(room.left, size, BLOCK, room.right, T, wide, deep, room.scores, wide, 0);
            for (int64_t i = 0; i < T; i++) {
                const uint8_t *row = mask;
                if (mask) row += b * mask_strides[0] + h * mask_strides[1] + i * mask_strides[2];
                softmax(room.scores + i * wide, S, wide, scale, row, mask ? mask_strides[3] : 0, room.weights + i * wide);
            }
            memcpy(weights + at * T * wide, room.weights, (size_t)(T * wide) * sizeof(bf16));
            pack_rows(values, of[2].place, S, size, 0, room.right);
            multiply(room.weights, wide, BLOCK, room.right, T, size, keys, room.sums, size, 0);
            round_rows(room.sums, T, size, out + b * of[3].batch + h * of[3].head, of[3].place);
        }
        free(room.all);
        put_tiles_away();
    }
}

/* As `attend_backward`. strides: of q, k, v, dout, dq, dk, dv. */
EXPORT void tile_attend_backward(const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, const bf16 *weights,
                                 const int64_t *strides, bf16 *dq, bf16 *dk, bf16 *dv, int64_t batch, int64_t heads,
                                 int64_t groups, int64_t T, int64_t S, int64_t size, float scale, int threads) {
    (void)threads;
    const Strides *of = (const Strides *)strides;
    int64_t keys = to_blocks(S), wide = keys * BLOCK, shared = heads / groups, deep = size / BLOCK;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        set_up_tiles();
        Room room = new_room(T > S ? T : S, size);
#pragma omp for schedule(static)
        for (int64_t at = 0; at < batch * groups; at++) {
            int64_t b = at / groups, g = at % groups;
            const bf16 *own_keys = k + b * of[1].batch + g * of[1].head, *values = v + b * of[2].batch + g * of[2].head;
            float *dkeys = room.sums, *dvalues = room.others;
            for (int64_t h = g * shared; h < (g + 1) * shared; h++) {
                int adds = h > g * shared;
                const bf16 *p = weights + (b * heads + h) * T * wide, *own = dout + b * of[3].batch + h * of[3].head;
                copy_rows(own, of[3].place, T, size, room.left);
                pack_rows(values, of[2].place, S, size, 1, room.right);
                multiply(room.left, size, BLOCK, room.right, T, wide, deep, room.scores, wide, 0);
                for (int64_t i = 0; i < T; i++) { /* of the scores: p * (dp - sum of p * dp) */
                    vf total = all(0);
                    const float *d = room.scores + i * wide;
                    for (int64_t j = 0; j < wide; j += LANES) total += load_bf16(p + i * wide + j) * load(d + j);
                    float mean = sum(total);
                    for (int64_t j = 0; j < wide; j += BLOCK) {
                        vf low = load_bf16(p + i * wide + j) * (load(d + j) - mean) * scale;
                        vf upper = load_bf16(p + i * wide + j + LANES) * (load(d + j + LANES) - mean) * scale;
                        _mm512_storeu_si512(room.slopes + i * wide + j, rounded(low, upper));
                    }
                }
                pack_rows(room.left, size, T, size, 0, room.right);
                multiply_transposed(p, wide, T, wide, room.right, size, room.turned, dvalues, adds);
                pack_rows(q + b * of[0].batch + h * of[0].head, of[0].place, T, size, 0, room.right);
                multiply_transposed(room.slopes, wide, T, wide, room.right, size, room.turned, dkeys, adds);
                pack_rows(own_keys, of[1].place, S, size, 0, room.right);
                multiply(room.slopes, wide, BLOCK, room.right, T, size, keys, room.scores, size, 0);
                round_rows(room.scores, T, size, dq + b * of[4].batch + h * of[4].head, of[4].place);
            }
            round_rows(dkeys, S, size, dk + b * of[5].batch + g * of[5].head, of[5].place);
            round_rows(dvalues, S, size, dv + b * of[6].batch + g * of[6].head, of[6].place);
        }
        free(room.all);
        put_tiles_away();
    }
}
#endif
