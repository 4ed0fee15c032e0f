/*
 * A libcublasLt for tests, beside fake_cuda.c: as much of it as CublasLt calls. Products of bf16 are computed at once, in
 * plain loops, either in steps of 16 k as the emulated tensor cores do, or in another order. Counts what is alive.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
typedef struct { int type; uint64_t rows, columns; int64_t leading; } Layout;
typedef struct { int transposes_a; } Operation;
typedef struct { uint64_t workspace; int reductions; } Preference;

static int alive, step = 16, runs, finds_nothing, failing;

int fake_lt_alive(void) { return alive; }
int fake_lt_runs(void) { return runs; }
/* Sums of so many k are added up first. */
void fake_lt_behave(int new_step, int nothing, int failure) {
    step = new_step;
    finds_nothing = nothing;
    failing = failure;
    runs = 0;
}

static void *make(size_t bytes) {
    alive++;
    return calloc(1, bytes);
}
static int destroy(void *made) {
    alive--;
    free(made);
    return OK;
}
int cublasLtCreate(void **handle) {
    *handle = make(1);
    return OK;
}
int cublasLtDestroy(void *handle) { return destroy(handle); }
int cublasLtMatmulDescCreate(void **made, int compute, int scale) {
    *made = make(sizeof(Operation));
    return compute == 68 && scale == 0 ? OK : INVALID_VALUE;
}
int cublasLtMatmulDescDestroy(void *made) { return destroy(made); }
int cublasLtMatmulDescSetAttribute(Operation *operation, int attribute, const void *value, size_t bytes) {
    if (attribute != 3 || bytes != 4) {
        return INVALID_VALUE;
    }
    memcpy(&operation->transposes_a, value, bytes);
    return OK;
}
int cublasLtMatmulPreferenceCreate(void **made) {
    Preference *preference = make(sizeof(Preference));
    preference->reductions = 7;
    *made = preference;
    return OK;
}
int cublasLtMatmulPreferenceDestroy(void *made) { return destroy(made); }
int cublasLtMatmulPreferenceSetAttribute(Preference *preference, int attribute, const void *value, size_t bytes) {
    if (attribute == 1 && bytes == 8) {
        memcpy(&preference->workspace, value, bytes);
    } else if (attribute == 3 && bytes == 4) {
        memcpy(&preference->reductions, value, bytes);
    } else {
        return INVALID_VALUE;
    }
    return OK;
}
int cublasLtMatrixLayoutCreate(void **made, int type, uint64_t rows, uint64_t columns, int64_t leading) {
    Layout *layout = make(sizeof(Layout));
    *layout = (Layout){type, rows, columns, leading};
    *made = layout;
    return OK;
}
int cublasLtMatrixLayoutDestroy(void *made) { return destroy(made); }
int cublasLtMatrixLayoutSetAttribute(Layout *layout, int attribute, const void *value, size_t bytes) {
    if (attribute != 3 || bytes != 8) {
        return INVALID_VALUE;
    }
    memcpy(&layout->columns, value, bytes);
    return OK;
}
int cublasLtMatmulAlgoGetHeuristic(void *handle, const Operation *operation, const Layout *a, const Layout *b,
                                   const Layout *c, const Layout *d, const Preference *preference, int asked,
                                   uint64_t *results, int *found) {
    (void)handle;
    if (operation->transposes_a != 1 || preference->reductions != 0 || asked != 1 || c != d || a->rows != b->rows
        || d->rows != a->columns || d->columns != b->columns || a->type != b->type) {
        return INVALID_VALUE;
    }
    *found = finds_nothing ? 0 : 1;
    memset(results, 0, 96);
    results[0] = 42;
    results[8] = preference->workspace;
    return a->type == 14 ? OK : NOT_SUPPORTED;
}

static float number(const uint16_t *at) {
    uint32_t bits = (uint32_t)*at << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static uint16_t rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
int cublasLtMatmul(void *handle, const Operation *operation, const float *alpha, const uint16_t *w, const Layout *wl,
                   const uint16_t *a, const Layout *al, const float *beta, const void *c, const Layout *cl, void *d,
                   const Layout *dl, const uint64_t *algorithm, void *workspace, size_t workspace_bytes, void *stream) {
    (void)handle, (void)operation, (void)workspace;
    if (failing) {
        return failing;
    }
    if (*alpha != 1 || *beta != 0 || c != d || cl != dl || algorithm[0] != 42 || workspace_bytes < algorithm[8] || !stream
        || dl->columns != al->columns) {
        return INVALID_VALUE;
    }
    runs++;
    uint64_t k = wl->rows, n = wl->columns, m = al->columns;
    for (uint64_t row = 0; row < m; row++) {
        for (uint64_t column = 0; column < n; column++) {
            float sum = 0;
            for (uint64_t from = 0; from < k; from += (uint64_t)step) {
                float part = 0;
                for (uint64_t i = from; i < k && i < from + (uint64_t)step; i++) {
                    part += number(a + row * k + i) * number(w + column * k + i);
                }
                sum += part;
            }
            if (dl->type == 0) {
                ((float *)d)[row * n + column] = sum;
            } else {
                ((uint16_t *)d)[row * n + column] = rounded(sum);
            }
        }
    }
    return OK;
}
