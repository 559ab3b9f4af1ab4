/* Matrix products of bf16 in tiles of 16 rows of 64 bytes each: by the tile registers of AMX, or by AVX-512. */
#ifndef TILES_H
#define TILES_H
#include "vectors.h"
#ifdef __AVX512BF16__

#define BLOCK 32                /* rows and columns of a result that is computed at once, in four tiles */
#define TILE (16 * BLOCK)       /* numbers of a tile of bf16 */
#define PAIR (2 * TILE)         /* of the two tiles that hold BLOCK x BLOCK numbers */
#define MOST_AT_ONCE 12         /* rows of a result that AVX-512 keeps in 24 of its 32 registers; 32 are 12 + 10 + 10 */

#ifdef __AMX_BF16__
typedef struct __attribute__((packed)) {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} TileShapes;

INLINE void set_up_tiles(void) {
    TileShapes shapes;
    memset(&shapes, 0, sizeof shapes);
    shapes.palette = 1;
    for (int i = 0; i < 8; i++) shapes.row_bytes[i] = 64, shapes.rows[i] = 16;
    _tile_loadconfig(&shapes);
}

INLINE void put_tiles_away(void) { _tile_release(); }
#else
INLINE void set_up_tiles(void) {}
INLINE void put_tiles_away(void) {}
#endif

/* Places of two vectors of 32 numbers, taken in turns: from 0 on, and from 16 on. */
#define BOTH(i) (i), (i) + 32
#define TURNS(i) BOTH(i), BOTH(i + 1), BOTH(i + 2), BOTH(i + 3), BOTH(i + 4), BOTH(i + 5), BOTH(i + 6), BOTH(i + 7)
static const int16_t turns[2][32] __attribute__((aligned(64))) = {{TURNS(0), TURNS(8)}, {TURNS(16), TURNS(24)}};
#define TURN(half) _mm512_load_si512(turns[half])

/* 32 numbers as bf16, rounded to nearest. */
INLINE __m512i rounded(vf low, vf high) { return (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low); }

INLINE __m512i load32(const void *x, int64_t at, int is_bf16) {
    if (is_bf16) return _mm512_loadu_si512((const bf16 *)x + at);
    return rounded(load((const float *)x + at), load((const float *)x + at + 16));
}

/* The right side of a product in tiles: 32 rows (of its inner dimension), of which there are `rows`, and 32 columns. */
INLINE void to_right_tiles(const void *x, int is_bf16, int64_t at, int64_t row, int64_t rows, bf16 *to) {
    const __m512i first = TURN(0), second = TURN(1), nothing = _mm512_setzero_si512();
    for (int64_t r = 0; r < 16; r++) {
        __m512i a = 2 * r < rows ? load32(x, at + 2 * r * row, is_bf16) : nothing;
        __m512i b = 2 * r + 1 < rows ? load32(x, at + (2 * r + 1) * row, is_bf16) : nothing;
        _mm512_storeu_si512(to + r * BLOCK, _mm512_permutex2var_epi16(a, first, b));
        _mm512_storeu_si512(to + TILE + r * BLOCK, _mm512_permutex2var_epi16(a, second, b));
    }
}

/* The same of the transpose of x: 32 of its rows, of which there are `rows`, become columns. */
INLINE void to_right_tiles_transposed(const void *x, int is_bf16, int64_t at, int64_t row, int64_t rows, bf16 *to) {
    for (int64_t half = 0; half < 2; half++) {
        __m512i r[16];
        for (int64_t i = 0; i < 16; i++) {
            int64_t from = half * 16 + i;
            r[i] = from < rows ? load32(x, at + from * row, is_bf16) : _mm512_setzero_si512();
        }
        transpose16(r);
        for (int64_t i = 0; i < 16; i++) _mm512_storeu_si512(to + half * TILE + i * BLOCK, r[i]);
    }
}

/* The left side of a product in tiles, from 32 rows (of which there are `rows`) and columns of its transpose; the
 * columns' sums are added to `sums` (32 numbers), if there are. */
INLINE void to_left_tiles_transposed(const bf16 *x, int64_t row, int64_t rows, bf16 *to, float *sums) {
    const __m512i first = TURN(0), second = TURN(1), nothing = _mm512_setzero_si512();
    __m512i t[2][16];
#pragma GCC unroll 16
    for (int64_t r = 0; r < 16; r++) {
        __m512i a = 2 * r < rows ? _mm512_loadu_si512(x + 2 * r * row) : nothing;
        __m512i b = 2 * r + 1 < rows ? _mm512_loadu_si512(x + (2 * r + 1) * row) : nothing;
        t[0][r] = _mm512_permutex2var_epi16(a, first, b);
        t[1][r] = _mm512_permutex2var_epi16(a, second, b);
    }
    const __m512i ones = _mm512_set1_epi16(0x3f80);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        if (sums) {
            __m512 total = _mm512_loadu_ps(sums + half * 16);
#pragma GCC unroll 16
            for (int r = 0; r < 16; r++) total = _mm512_dpbf16_ps(total, (__m512bh)t[half][r], (__m512bh)ones);
            _mm512_storeu_ps(sums + half * 16, total);
        }
        transpose16(t[half]);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + (half * 16 + i) * BLOCK, t[half][i]);
    }
}

#ifdef __AMX_BF16__
/* Tiles 0 to 3 += two tiles of the left side (16 rows each) times two of the right (16 columns each). */
#define MULTIPLY(left, left_bytes, right) \
    do { \
        _tile_loadd(4, (left), (left_bytes)); \
        _tile_loadd(6, (right), 64); \
        _tile_dpbf16ps(0, 4, 6); \
        _tile_loadd(7, (right) + TILE, 64); \
        _tile_dpbf16ps(1, 4, 7); \
        _tile_loadd(5, (const char *)(left) + 16 * (left_bytes), (left_bytes)); \
        _tile_dpbf16ps(2, 5, 6); \
        _tile_dpbf16ps(3, 5, 7); \
    } while (0)
#define CLEAR() \
    do { \
        _tile_zero(0); \
        _tile_zero(1); \
        _tile_zero(2); \
        _tile_zero(3); \
    } while (0)
/* The four tiles as 32 x 32 floats. */
#define LOAD_SUMS(from, row) \
    do { \
        _tile_loadd(0, (from), (row) * 4); \
        _tile_loadd(1, (from) + 16, (row) * 4); \
        _tile_loadd(2, (from) + 16 * (row), (row) * 4); \
        _tile_loadd(3, (from) + 16 * (row) + 16, (row) * 4); \
    } while (0)
#define STORE_SUMS(to, row) \
    do { \
        _tile_stored(0, (to), (row) * 4); \
        _tile_stored(1, (to) + 16, (row) * 4); \
        _tile_stored(2, (to) + 16 * (row), (row) * 4); \
        _tile_stored(3, (to) + 16 * (row) + 16, (row) * 4); \
    } while (0)

/* to (32 x 32, float) = left (32 rows, in `depth` blocks that are `next` numbers apart) times right, or += it. */
INLINE void multiply_block(const bf16 *left, int64_t row, int64_t next, const bf16 *right, int64_t depth, float *to,
                           int64_t to_row, int adds) {
    if (adds) LOAD_SUMS(to, to_row);
    else CLEAR();
    for (int64_t k = 0; k < depth; k++) MULTIPLY(left + k * next, row * 2, right + k * PAIR);
    STORE_SUMS(to, to_row);
}

/* The same of 16 rows. */
INLINE void multiply_half_block(const bf16 *left, int64_t row, int64_t next, const bf16 *right, int64_t depth, float *to,
                                int64_t to_row, int adds) {
    if (adds) {
        _tile_loadd(0, to, to_row * 4);
        _tile_loadd(1, to + 16, to_row * 4);
    } else {
        _tile_zero(0);
        _tile_zero(1);
    }
    for (int64_t k = 0; k < depth; k++) {
        const bf16 *tiles = right + k * PAIR;
        _tile_loadd(4, left + k * next, row * 2);
        _tile_loadd(6, tiles, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, tiles + TILE, 64);
        _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stored(0, to, to_row * 4);
    _tile_stored(1, to + 16, to_row * 4);
}
#else
/* to (count x 32, float) = left (`count` rows, in `depth` blocks that are `next` numbers apart) times right, or += it. */
INLINE void multiply_rows(const int count, const bf16 *left, int64_t row, int64_t next, const bf16 *right, int64_t depth,
                          float *to, int64_t to_row, int adds) {
    __m512 a[MOST_AT_ONCE], b[MOST_AT_ONCE];
#pragma GCC unroll 12
    for (int i = 0; i < count; i++) {
        a[i] = adds ? _mm512_loadu_ps(to + i * to_row) : _mm512_setzero_ps();
        b[i] = adds ? _mm512_loadu_ps(to + i * to_row + 16) : _mm512_setzero_ps();
    }
    const int64_t three = 3 * row;
    for (int64_t k = 0; k < depth; k++, left += next, right += PAIR)
        for (int j = 0; j < 16; j++) {
            __m512bh x = (__m512bh)_mm512_loadu_si512(right + j * BLOCK);
            __m512bh y = (__m512bh)_mm512_loadu_si512(right + TILE + j * BLOCK);
            const bf16 *fours[3] = {left + 2 * j, left + 4 * row + 2 * j, left + 8 * row + 2 * j};
            /* else the compiler keeps a pointer for each row, and has no registers for all of them */
            __asm__("" : "+r"(fours[0]), "+r"(fours[1]), "+r"(fours[2]));
#pragma GCC unroll 12
            for (int i = 0; i < count; i++) {
                int32_t two; /* numbers, of which each is multiplied with its own row of the right side */
                memcpy(&two, fours[i / 4] + (i % 4 == 3 ? three : i % 4 * row), sizeof two);
                __m512bh by = (__m512bh)_mm512_set1_epi32(two);
                a[i] = _mm512_dpbf16_ps(a[i], by, x);
                b[i] = _mm512_dpbf16_ps(b[i], by, y);
            }
        }
#pragma GCC unroll 12
    for (int i = 0; i < count; i++) {
        _mm512_storeu_ps(to + i * to_row, a[i]);
        _mm512_storeu_ps(to + i * to_row + 16, b[i]);
    }
}

/* The same of 32 rows. */
INLINE void multiply_block(const bf16 *left, int64_t row, int64_t next, const bf16 *right, int64_t depth, float *to,
                           int64_t to_row, int adds) {
    multiply_rows(12, left, row, next, right, depth, to, to_row, adds);
    multiply_rows(10, left + 12 * row, row, next, right, depth, to + 12 * to_row, to_row, adds);
    multiply_rows(10, left + 22 * row, row, next, right, depth, to + 22 * to_row, to_row, adds);
}

/* The same of 16 rows. */
INLINE void multiply_half_block(const bf16 *left, int64_t row, int64_t next, const bf16 *right, int64_t depth, float *to,
                                int64_t to_row, int adds) {
    multiply_rows(8, left, row, next, right, depth, to, to_row, adds);
    multiply_rows(8, left + 8 * row, row, next, right, depth, to + 8 * to_row, to_row, adds);
}
#endif
#endif
#endif
