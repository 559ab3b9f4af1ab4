/* Products of matrices in bf16 with sums in float, by AMX or AVX-512: those of a linear layer, and of its gradients. */
#include "tiles.h"
#ifdef __AMX_BF16__
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

/* 1 if Linux lets this process use the tiles, which it must be asked for. */
EXPORT int may_use_tiles(void) { return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0; }
#endif
#ifdef __AVX512BF16__

#ifdef __AMX_BF16__
#define ROWS 32          /* of the left side, that one block of the right side meets in the first-level cache */
#define RIGHT (1 << 19)  /* numbers of the right side that stay in the second-level cache */
#define DEPTH 2048       /* of the inner dimension, at a time */
#else
#define ROWS 64
#define RIGHT (1 << 17)
#define DEPTH (1 << 30)  /* all of it: sums that wait in memory would cost more than they save */
#endif
#define TOKENS 512       /* rows of a weight's gradient that are summed at a time */
#define OUTPUTS 256      /* columns of dy in tiles at a time */
#define DONE_AT_ONCE 4   /* rows of the block before, rounded between two steps of a product */

/* Puts a weight (outputs x inputs, float or bf16) into tiles, as the right side of x Wᵀ, or, if `turned`, of dy W.
 * Inputs are a multiple of 32; outputs are filled up with zeros. `first` and `depth` are blocks: where the inner
 * dimension begins for this weight, and of how many all weights side by side have. */
EXPORT void pack_weight(const void *weight, int is_bf16, int64_t outputs, int64_t inputs, int turned, int64_t first,
                        int64_t depth, bf16 *to, int threads) {
    (void)threads;
    int64_t blocks = (outputs + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t o = 0; o < blocks; o++) {
        int64_t rows = outputs - o * BLOCK;
        for (int64_t i = 0; i < inputs / BLOCK; i++) {
            int64_t at = o * BLOCK * inputs + i * BLOCK;
            if (turned) to_right_tiles(weight, is_bf16, at, inputs, rows, to + (i * depth + first + o) * PAIR);
            else to_right_tiles_transposed(weight, is_bf16, at, inputs, rows, to + (o * depth + i) * PAIR);
        }
    }
}

typedef struct { /* a block of results that waits to be rounded */
    const float *sums;
    int64_t sums_row;
    bf16 *to;
    vf low, high; /* bias */
} Waiting;

INLINE void round_row(Waiting of, int row, int64_t to_row, int relu) {
    vf low = load(of.sums + row * of.sums_row) + of.low, high = load(of.sums + row * of.sums_row + 16) + of.high;
    if (relu) low = choose(low < 0, all(0), low), high = choose(high < 0, all(0), high); /* NaN stays NaN */
    _mm512_storeu_si512(of.to + row * to_row, rounded(low, high));
}

/* Rows first to last of out = left right + bias, the right side from `from` on in blocks of its inner dimension. If
 * `adds`, `sums` (float, columns wide) has what came before; if not `ends`, it gets what has been summed so far. */
static void product_of_rows(const bf16 *left, int64_t left_row, const bf16 *right, int64_t depth, int64_t from,
                            int64_t count, const float *bias, int relu, bf16 *out, int64_t out_row, float *sums,
                            int adds, int ends, int64_t first, int64_t last, int64_t total, int64_t begin,
                            int64_t end, int64_t columns) {
    float scratch[2][BLOCK * BLOCK] __attribute__((aligned(64)));
    Waiting waiting = {0};
    int current = 0;
    for (int64_t c = begin; c < end; c++) {
        const bf16 *tiles = right + (c * depth + from) * PAIR;
        vf low = all(0), high = all(0);
        if (bias) low = load(bias + c * BLOCK), high = load(bias + c * BLOCK + 16);
        for (int64_t row = first; row < last; row += BLOCK) {
            int64_t at = row + BLOCK <= total ? row : total - BLOCK; /* the last block may overlap with the one before */
            const bf16 *a = left + at * left_row + from * BLOCK;
            float *to = sums ? sums + row * columns + c * BLOCK : scratch[current];
            int64_t to_row = sums ? columns : BLOCK;
            int done = waiting.to ? 0 : BLOCK;
            if (ends)
                for (int i = 0; i < BLOCK; i++) __builtin_prefetch(out + (at + i) * out_row + c * BLOCK, 1);
#ifdef __AMX_BF16__
            if (adds) LOAD_SUMS(to, to_row);
            else CLEAR();
            for (int64_t k = 0; k < count; k++) { /* the tiles multiply while vectors round */
                MULTIPLY(a + k * BLOCK, left_row * 2, tiles + k * PAIR);
                if (k)
                    for (int i = 0; i < DONE_AT_ONCE && done < BLOCK; i++) round_row(waiting, done++, out_row, relu);
            }
            while (done < BLOCK) round_row(waiting, done++, out_row, relu);
            STORE_SUMS(to, to_row);
#else
            while (done < BLOCK) round_row(waiting, done++, out_row, relu);
            multiply_block(a, left_row, BLOCK, tiles, count, to, to_row, adds);
#endif
            waiting.to = 0;
            if (ends) {
                waiting = (Waiting){to, to_row, out + at * out_row + c * BLOCK, low, high};
                current ^= 1;
            }
        }
    }
    for (int row = 0; waiting.to && row < BLOCK; row++) round_row(waiting, row, out_row, relu);
}

/* out (rows x columns) = left (rows x inner) times a packed right side, + bias (NULL: none), and relu of it. `rows` is at
 * least 32, `columns` and `inner` are multiples of it. */
EXPORT void tile_product(const bf16 *left, int64_t left_row, const bf16 *right, const float *bias, int relu, bf16 *out,
                         int64_t out_row, int64_t rows, int64_t columns, int64_t inner, int threads) {
    (void)threads;
    int64_t depth = inner / BLOCK, most = DEPTH / BLOCK, blocks = columns / BLOCK;
    int64_t wide = RIGHT / PAIR / (depth < most ? depth : most);
    if (!wide) wide = 1;
    float *sums = depth > most ? malloc((size_t)((rows + BLOCK) * columns) * sizeof(float)) : 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        set_up_tiles();
        for (int64_t from = 0; from < depth; from += most)
            for (int64_t begin = 0; begin < blocks; begin += wide) {
                int64_t count = from + most < depth ? most : depth - from;
                int64_t end = begin + wide < blocks ? begin + wide : blocks;
#pragma omp for schedule(static)
                for (int64_t first = 0; first < rows; first += ROWS) {
                    int64_t last = first + ROWS < rows ? first + ROWS : rows;
                    product_of_rows(left, left_row, right, depth, from, count, bias, relu, out, out_row, sums, from > 0,
                                    from + count == depth, first, last, rows, begin, end, columns);
                }
            }
        put_tiles_away();
    }
    free(sums);
}

/* gradient (outputs x inputs, float) = or += dyᵀ x; sums (outputs, float) = or += the sums of the columns of dy, if not
 * NULL. dy: rows x outputs, x: rows x inputs, both multiples of 32. */
EXPORT void tile_weight_gradient(const bf16 *dy, int64_t dy_row, const bf16 *x, int64_t x_row, float *gradient,
                                 float *sums, int adds, int64_t rows, int64_t outputs, int64_t inputs, int threads) {
    (void)threads;
    int64_t tokens = rows < TOKENS ? (rows + BLOCK - 1) / BLOCK * BLOCK : TOKENS, each = OUTPUTS;
    while (each > BLOCK && outputs < each * threads) each /= 2;
    bf16 *right = aligned_alloc(64, (size_t)(tokens * inputs) * sizeof(bf16));
    if (!adds) {
        memset(gradient, 0, (size_t)(rows ? 0 : outputs * inputs) * sizeof(float));
        if (sums) memset(sums, 0, (size_t)outputs * sizeof(float));
    }
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        set_up_tiles();
        bf16 *left = aligned_alloc(64, (size_t)(tokens * each) * sizeof(bf16));
        for (int64_t start = 0; start < rows; start += tokens) {
            int64_t here = start + tokens < rows ? tokens : rows - start, depth = (here + BLOCK - 1) / BLOCK;
            const bf16 *dy_here = dy + start * dy_row, *x_here = x + start * x_row;
#pragma omp for schedule(static)
            for (int64_t k = 0; k < depth; k++)
                for (int64_t i = 0; i < inputs / BLOCK; i++)
                    to_right_tiles(x_here, 1, k * BLOCK * x_row + i * BLOCK, x_row, here - k * BLOCK,
                                   right + (i * depth + k) * PAIR);
#pragma omp for schedule(static)
            for (int64_t first = 0; first < outputs; first += each) {
                int64_t last = first + each < outputs ? first + each : outputs;
                for (int64_t k = 0; k < depth; k++)
                    for (int64_t o = first; o < last; o += BLOCK)
                        to_left_tiles_transposed(dy_here + k * BLOCK * dy_row + o, dy_row, here - k * BLOCK,
                                                 left + ((o - first) / BLOCK * depth + k) * PAIR, sums ? sums + o : 0);
                for (int64_t i = 0; i < inputs; i += BLOCK)
                    for (int64_t o = first; o < last; o += BLOCK) {
                        float *to = gradient + o * inputs + i;
                        const bf16 *a = left + (o - first) / BLOCK * depth * PAIR, *b = right + i / BLOCK * depth * PAIR;
                        multiply_block(a, BLOCK, PAIR, b, depth, to, inputs, adds || start);
                    }
            }
        }
        free(left);
        put_tiles_away();
    }
    free(right);
}
#endif
