/*
 * A CUDA driver without a device, for tests: host memory plays the device, copies are done at once. It knows which handles
 * live, refuses dead ones and threads without a context, fails when it is told to, and remembers every call. Kernels are
 * only written down, unless fake_emulate names the library of emulated_kernels.cpp: then they run, at their launch, and what
 * goes wrong in one is a sticky error. Named libcuda.so.1, in a folder of LD_LIBRARY_PATH, it is the machine's own driver:
 * then FAKE_CUDA_KERNELS names that library. Not for use by several threads at once.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_CONTEXT = 201, INVALID_HANDLE = 400,
       NOT_FOUND = 500, NOT_READY = 600, LAUNCH_FAILED = 719 };
enum { CONTEXT, STREAM, EVENT, MODULE, GRAPH, GRAPH_EXEC, DEVICE_MEMORY, PINNED_MEMORY, KINDS };
enum { HANDLES = 1 << 16, LOG_BYTES = 1 << 16, ARGUMENTS = 32, NAME = 64, MAP_BYTES = 128 };

/* Arguments are at most a map here, and callers give room for ARGUMENTS of them: a real driver knows their sizes. */
typedef struct { _Alignas(64) unsigned char bytes[MAP_BYTES]; } Argument;
typedef struct { char kernel[NAME]; unsigned grid[3], block, shared; Argument arguments[ARGUMENTS]; } Launch;
typedef struct { void *target; const void *source; size_t bytes; int fill; unsigned char value; Launch *launch; } Op;
typedef struct { int kind, alive, capturing, launches; size_t bytes; int op_count; Op *ops; char name[NAME]; } Handle;
typedef struct { Handle *module; char name[NAME]; } Function;
typedef const char *(*Emulate)(const char *, unsigned, unsigned, unsigned, unsigned, unsigned, void **);

static Handle *handles[HANDLES];
static int handle_count;
static int live[KINDS];
static char call_log[LOG_BYTES];
static size_t log_used;
static char failing[64];
static int failing_code, failing_after;
static size_t memory_total = (size_t)1 << 30, memory_used;
static int devices = 1;
static int pending_polls;
static __thread void *current;
static Function functions[HANDLES];
static int function_count;
static Emulate emulate;
static int capability = 90;
static int sticky;
static Handle *primary;
static int primary_users;
static int fresh_byte = 0xcc; /* whoever reads what nobody wrote shall see it */
static int launches; /* the device's clock: a millisecond each */

/* ---- what tests ask and tell ---- */

void fake_reset(void) {
    for (int i = 0; i < handle_count; i++) {
        free(handles[i]->ops); /* launches in them are left to the end of the process */
        free(handles[i]);
    }
    handle_count = 0;
    function_count = 0;
    primary_users = 0;
    emulate = NULL;
    capability = 90;
    sticky = 0;
    memset(live, 0, sizeof live);
    log_used = 0;
    call_log[0] = 0;
    failing[0] = 0;
    memory_total = (size_t)1 << 30;
    memory_used = 0;
    devices = 1;
    pending_polls = 0;
    fresh_byte = 0xcc;
    current = NULL;
}
int fake_live(int kind) { return live[kind]; }
const char *fake_log(void) { return call_log; }
void fake_clear_log(void) { log_used = 0; call_log[0] = 0; }
/* The call of this name fails with this code, once, after so many successes. */
void fake_fail(const char *name, int code, int after) {
    snprintf(failing, sizeof failing, "%s", name);
    failing_code = code;
    failing_after = after;
}
void fake_memory(long bytes) { memory_total = (size_t)bytes; }
long fake_memory_used(void) { return (long)memory_used; }
/* What memory holds that nobody has written. */
void fake_fresh_memory(int byte) { fresh_byte = byte; }
void fake_devices(int count) { devices = count; }
/* The next so many queries of events and streams answer "not ready". */
void fake_pending(int polls) { pending_polls = polls; }
/* Tens: major, ones: minor. */
void fake_capability(int value) { capability = value; }
/* From now on kernels run; null if they can. */
const char *fake_emulate(const char *library) {
    void *opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    emulate = opened ? (Emulate)dlsym(opened, "emulated_launch") : NULL;
    return emulate ? NULL : dlerror();
}

/* ---- inside ---- */

static int called(const char *name, const char *detail) {
    int n = snprintf(call_log + log_used, LOG_BYTES - log_used, "%s%s%s\n", name, *detail ? " " : "", detail);
    if (n > 0 && log_used + (size_t)n < LOG_BYTES) {
        log_used += (size_t)n;
    }
    if (strcmp(failing, name) == 0 && failing_after-- == 0) {
        failing[0] = 0;
        return failing_code;
    }
    return OK;
}
static int needs_context(void) { return sticky ? sticky : current ? OK : INVALID_CONTEXT; }
static Handle *make(int kind) {
    Handle *made = calloc(1, sizeof(Handle));
    made->kind = kind;
    made->alive = 1;
    handles[handle_count++] = made;
    live[kind]++;
    return made;
}
static Handle *find(const void *handle, int kind) {
    for (int i = 0; i < handle_count; i++) {
        if (handles[i] == handle) {
            return handles[i]->alive && handles[i]->kind == kind ? handles[i] : NULL;
        }
    }
    return NULL;
}
static int destroy(void *handle, int kind) {
    Handle *found = find(handle, kind);
    if (!found) {
        return INVALID_HANDLE;
    }
    found->alive = 0;
    live[kind]--;
    return OK;
}
static void run(Launch *launch) {
    if (emulate) {
        void *pointers[ARGUMENTS];
        for (int i = 0; i < ARGUMENTS; i++) {
            pointers[i] = launch->arguments + i;
        }
        const char *problem = emulate(launch->kernel, launch->grid[0], launch->grid[1], launch->grid[2], launch->block,
                                      launch->shared, pointers);
        if (problem) {
            fprintf(stderr, "%s: %s\n", launch->kernel, problem);
            sticky = LAUNCH_FAILED;
        }
    }
}
static void perform(const Op *op) {
    if (op->launch) {
        run(op->launch);
    } else if (op->fill) {
        memset(op->target, op->value, op->bytes);
    } else {
        memcpy(op->target, op->source, op->bytes);
    }
}
static int give(void *stream, Op op) {
    Handle *found = find(stream, STREAM);
    if (!found) {
        return INVALID_HANDLE;
    }
    if (!found->capturing) {
        perform(&op);
        free(op.launch);
        return OK;
    }
    found->ops = realloc(found->ops, sizeof(Op) * (size_t)(found->op_count + 1));
    found->ops[found->op_count++] = op;
    return OK;
}
static Handle *copy_of_ops(const Handle *from, int kind) {
    Handle *made = make(kind);
    made->op_count = from->op_count;
    made->ops = malloc(sizeof(Op) * (size_t)(from->op_count + 1));
    if (from->op_count) {
        memcpy(made->ops, from->ops, sizeof(Op) * (size_t)from->op_count);
    }
    return made;
}

#define CALL(name, detail) do { int rc_ = called(name, detail); if (rc_) return rc_; } while (0)
#define IN_CONTEXT(name, detail) do { CALL(name, detail); int no_ = needs_context(); if (no_) return no_; } while (0)

/* ---- the driver ---- */

int cuGetErrorName(int code, const char **name) {
    static const struct { int code; const char *name; } names[] = {
        {1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"}, {100, "CUDA_ERROR_NO_DEVICE"},
        {201, "CUDA_ERROR_INVALID_CONTEXT"}, {400, "CUDA_ERROR_INVALID_HANDLE"}, {500, "CUDA_ERROR_NOT_FOUND"},
        {700, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {719, "CUDA_ERROR_LAUNCH_FAILED"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code == code) {
            *name = names[i].name;
            return OK;
        }
    }
    return INVALID_VALUE;
}
/* A process that nobody can tell anything, as one on a GPU host, is told by its environment which kernels to run. */
static int emulate_as_said(void) {
    const char *kernels = getenv("FAKE_CUDA_KERNELS");
    const char *problem = kernels && !emulate ? fake_emulate(kernels) : NULL;
    if (problem) {
        fprintf(stderr, "%s\n", problem);
    }
    return problem ? NO_DEVICE : OK;
}
int cuInit(unsigned flags) {
    (void)flags;
    CALL("cuInit", "");
    return devices ? emulate_as_said() : NO_DEVICE;
}
int cuDriverGetVersion(int *version) { CALL("cuDriverGetVersion", ""); *version = 13000; return OK; }
int cuDeviceGetCount(int *count) { CALL("cuDeviceGetCount", ""); *count = devices; return OK; }
int cuDeviceGet(int *device, int ordinal) { CALL("cuDeviceGet", ""); *device = ordinal; return OK; }
int cuDeviceGetName(char *name, int length, int device) {
    CALL("cuDeviceGetName", "");
    snprintf(name, (size_t)length, "Fake %d", device);
    return OK;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    CALL("cuDeviceGetAttribute", "");
    switch (attribute) {
        case 16: *value = 132; return OK;
        case 38: *value = 60 << 20; return OK;
        case 75: *value = capability / 10; return OK;
        case 76: *value = capability % 10; return OK;
        case 97: *value = 227 << 10; return OK;
        default: return INVALID_VALUE;
    }
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; CALL("cuDeviceTotalMem", ""); *bytes = memory_total; return OK; }
int cuDevicePrimaryCtxRetain(void **context, int device) {
    (void)device;
    CALL("cuDevicePrimaryCtxRetain", "");
    if (primary_users++ == 0) {
        primary = make(CONTEXT);
    }
    *context = primary;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    CALL("cuDevicePrimaryCtxRelease", "");
    if (primary_users == 0) {
        return INVALID_CONTEXT;
    }
    return --primary_users == 0 ? destroy(primary, CONTEXT) : OK;
}
int cuCtxSetCurrent(void *context) {
    CALL("cuCtxSetCurrent", "");
    if (!find(context, CONTEXT)) {
        return INVALID_CONTEXT;
    }
    current = context;
    return OK;
}
int cuCtxSynchronize(void) { IN_CONTEXT("cuCtxSynchronize", ""); return OK; }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    IN_CONTEXT("cuMemGetInfo", "");
    *free_bytes = memory_total - memory_used;
    *total = memory_total;
    return OK;
}
static int allocate(void **out, size_t bytes, int kind) {
    Handle *made = make(kind);
    made->bytes = bytes;
    void *memory = malloc(bytes);
    memset(memory, fresh_byte, bytes);
    memcpy(made->name, &memory, sizeof memory);
    *out = memory;
    return OK;
}
static int release(void *memory, int kind) {
    for (int i = 0; i < handle_count; i++) {
        void *held;
        memcpy(&held, handles[i]->name, sizeof held);
        if (handles[i]->kind == kind && handles[i]->alive && held == memory) {
            memory_used -= kind == DEVICE_MEMORY ? handles[i]->bytes : 0;
            free(memory);
            return destroy(handles[i], kind);
        }
    }
    return INVALID_VALUE;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    IN_CONTEXT("cuMemAlloc", "");
    if (memory_used + bytes > memory_total) {
        return OUT_OF_MEMORY;
    }
    memory_used += bytes;
    return allocate((void **)address, bytes, DEVICE_MEMORY);
}
int cuMemFree_v2(uint64_t address) { IN_CONTEXT("cuMemFree", ""); return release((void *)address, DEVICE_MEMORY); }
int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
    (void)flags;
    IN_CONTEXT("cuMemHostAlloc", "");
    return allocate(memory, bytes, PINNED_MEMORY);
}
int cuMemFreeHost(void *memory) { IN_CONTEXT("cuMemFreeHost", ""); return release(memory, PINNED_MEMORY); }
int cuMemcpyHtoDAsync_v2(uint64_t target, const void *source, size_t bytes, void *stream) {
    IN_CONTEXT("cuMemcpyHtoDAsync", "");
    return give(stream, (Op){.target = (void *)target, .source = source, .bytes = bytes});
}
int cuMemcpyDtoHAsync_v2(void *target, uint64_t source, size_t bytes, void *stream) {
    IN_CONTEXT("cuMemcpyDtoHAsync", "");
    return give(stream, (Op){.target = target, .source = (void *)source, .bytes = bytes});
}
int cuMemcpyDtoDAsync_v2(uint64_t target, uint64_t source, size_t bytes, void *stream) {
    IN_CONTEXT("cuMemcpyDtoDAsync", "");
    return give(stream, (Op){.target = (void *)target, .source = (void *)source, .bytes = bytes});
}
int cuMemcpyAsync(uint64_t target, uint64_t source, size_t bytes, void *stream) {
    IN_CONTEXT("cuMemcpyAsync", "");
    return give(stream, (Op){.target = (void *)target, .source = (void *)source, .bytes = bytes});
}
int cuMemcpyBatchAsync_v2(uint64_t *targets, uint64_t *sources, size_t *sizes, size_t count, void *attributes,
                          size_t *attribute_starts, size_t attribute_count, void *stream) {
    char detail[32];
    snprintf(detail, sizeof detail, "%zu", count);
    IN_CONTEXT("cuMemcpyBatchAsync", detail);
    int order;
    memcpy(&order, attributes, sizeof order);
    if (order != 1 || attribute_count != 1 || attribute_starts[0] != 0) {
        return INVALID_VALUE;
    }
    for (size_t i = 0; i < count; i++) {
        int code = give(stream, (Op){.target = (void *)targets[i], .source = (void *)sources[i], .bytes = sizes[i]});
        if (code) {
            return code;
        }
    }
    return OK;
}
/* Writes what emulated_hopper.h reads; refuses what a driver refuses. */
int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address, const uint64_t *sizes, const uint64_t *strides,
                           const uint32_t *box, const uint32_t *steps, int interleave, int swizzle, int promotion, int fill) {
    (void)promotion;
    CALL("cuTensorMapEncodeTiled", "");
    uint64_t element = type == 0 ? 1 : 2;
    if (type > 1 || rank != 2 || (uintptr_t)map % 64 || (uintptr_t)address % 16 || !address || strides[0] % 16
        || strides[0] < sizes[0] * element || !sizes[0] || !sizes[1] || box[0] * element != 128 || box[1] < 1 || box[1] > 256
        || steps[0] != 1 || steps[1] != 1 || interleave || swizzle != 3 || fill) {
        return INVALID_VALUE;
    }
    uint64_t words[16] = {0x534c554943454d41, (uint64_t)address, sizes[0], sizes[1], strides[0], box[0], box[1], element};
    memcpy(map, words, sizeof words);
    return OK;
}
int cuMemsetD8Async(uint64_t target, unsigned char value, size_t bytes, void *stream) {
    IN_CONTEXT("cuMemsetD8Async", "");
    return give(stream, (Op){.target = (void *)target, .bytes = bytes, .fill = 1, .value = value});
}
int cuStreamCreateWithPriority(void **stream, unsigned flags, int priority) {
    (void)flags;
    (void)priority;
    IN_CONTEXT("cuStreamCreate", "");
    *stream = make(STREAM);
    return OK;
}
int cuStreamDestroy_v2(void *stream) { IN_CONTEXT("cuStreamDestroy", ""); return destroy(stream, STREAM); }
int cuStreamSynchronize(void *stream) { IN_CONTEXT("cuStreamSynchronize", ""); return find(stream, STREAM) ? OK : INVALID_HANDLE; }
static int poll(void *handle, int kind) {
    if (!find(handle, kind)) {
        return INVALID_HANDLE;
    }
    return pending_polls > 0 && pending_polls-- ? NOT_READY : OK;
}
int cuStreamQuery(void *stream) { IN_CONTEXT("cuStreamQuery", ""); return poll(stream, STREAM); }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    (void)flags;
    IN_CONTEXT("cuStreamWaitEvent", "");
    return find(stream, STREAM) && find(event, EVENT) ? OK : INVALID_HANDLE;
}
int cuEventCreate(void **event, unsigned flags) { (void)flags; IN_CONTEXT("cuEventCreate", ""); *event = make(EVENT); return OK; }
int cuEventDestroy_v2(void *event) { IN_CONTEXT("cuEventDestroy", ""); return destroy(event, EVENT); }
int cuEventRecord(void *event, void *stream) {
    IN_CONTEXT("cuEventRecord", "");
    Handle *found = find(event, EVENT);
    if (!found || !find(stream, STREAM)) {
        return INVALID_HANDLE;
    }
    found->launches = launches;
    return OK;
}
int cuEventQuery(void *event) { IN_CONTEXT("cuEventQuery", ""); return poll(event, EVENT); }
int cuEventSynchronize(void *event) { IN_CONTEXT("cuEventSynchronize", ""); return find(event, EVENT) ? OK : INVALID_HANDLE; }
int cuEventElapsedTime(float *millis, void *start, void *end) {
    IN_CONTEXT("cuEventElapsedTime", "");
    Handle *first = find(start, EVENT), *last = find(end, EVENT);
    if (!first || !last) {
        return INVALID_HANDLE;
    }
    *millis = 1.5f + (float)(last->launches - first->launches);
    return OK;
}
int cuStreamBeginCapture_v2(void *stream, int mode) {
    (void)mode;
    IN_CONTEXT("cuStreamBeginCapture", "");
    Handle *found = find(stream, STREAM);
    if (!found || found->capturing) {
        return INVALID_HANDLE;
    }
    found->capturing = 1;
    found->op_count = 0;
    return OK;
}
int cuStreamEndCapture(void *stream, void **graph) {
    Handle *found = find(stream, STREAM);
    int was_capturing = found && found->capturing;
    if (found) {
        found->capturing = 0; /* a capture ends even if it has failed */
    }
    IN_CONTEXT("cuStreamEndCapture", "");
    if (!was_capturing) {
        return INVALID_HANDLE;
    }
    *graph = copy_of_ops(found, GRAPH);
    return OK;
}
int cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags) {
    (void)flags;
    IN_CONTEXT("cuGraphInstantiate", "");
    Handle *found = find(graph, GRAPH);
    if (!found) {
        return INVALID_HANDLE;
    }
    *exec = copy_of_ops(found, GRAPH_EXEC);
    return OK;
}
int cuGraphDestroy(void *graph) { IN_CONTEXT("cuGraphDestroy", ""); return destroy(graph, GRAPH); }
int cuGraphExecDestroy(void *exec) { IN_CONTEXT("cuGraphExecDestroy", ""); return destroy(exec, GRAPH_EXEC); }
int cuGraphLaunch(void *exec, void *stream) {
    IN_CONTEXT("cuGraphLaunch", "");
    Handle *found = find(exec, GRAPH_EXEC);
    if (!found || !find(stream, STREAM)) {
        return INVALID_HANDLE;
    }
    for (int i = 0; i < found->op_count; i++) {
        perform(&found->ops[i]);
    }
    return sticky;
}
int cuModuleLoadData(void **module, const void *image) {
    IN_CONTEXT("cuModuleLoadData", "");
    Handle *made = make(MODULE);
    memcpy(made->name, image, 8);
    *module = made;
    return OK;
}
int cuModuleUnload(void *module) { IN_CONTEXT("cuModuleUnload", ""); return destroy(module, MODULE); }
int cuModuleGetFunction(void **function, void *module, const char *name) {
    IN_CONTEXT("cuModuleGetFunction", name);
    if (!find(module, MODULE)) {
        return INVALID_HANDLE;
    }
    if (strncmp(name, "missing", 7) == 0) {
        return NOT_FOUND;
    }
    Function *made = &functions[function_count++];
    made->module = module;
    snprintf(made->name, NAME, "%s", name);
    *function = made;
    return OK;
}
static Function *find_function(void *function) {
    Function *found = function;
    return found >= functions && found < functions + function_count && find(found->module, MODULE) ? found : NULL;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
    char detail[64];
    snprintf(detail, sizeof detail, "%d=%d", attribute, value);
    IN_CONTEXT("cuFuncSetAttribute", detail);
    return find_function(function) ? OK : INVALID_HANDLE;
}
int cuFuncGetAttribute(int *value, int attribute, void *function) {
    *value = capability; /* as if compiled for this device */
    return attribute == 5 && find_function(function) ? OK : INVALID_HANDLE;
}
static int launch_kernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                         unsigned shared, void *stream, void **arguments, const char *how) {
    Launch launch = {.grid = {gx, gy, gz}, .block = bx * by * bz, .shared = shared};
    for (int i = 0; i < ARGUMENTS; i++) {
        memcpy(launch.arguments[i].bytes, arguments[i], MAP_BYTES);
    }
    Function *found = find_function(function);
    snprintf(launch.kernel, NAME, "%s", found ? found->name : "?");
    uint64_t first;
    uint32_t second;
    float third;
    memcpy(&first, launch.arguments[0].bytes, sizeof first);
    memcpy(&second, launch.arguments[1].bytes, sizeof second);
    memcpy(&third, launch.arguments[2].bytes, sizeof third);
    char detail[256];
    snprintf(detail, sizeof detail, "%s grid %ux%ux%u block %ux%ux%u shared %u arguments %llu %u %g%s", launch.kernel, gx,
             gy, gz, bx, by, bz, shared, (unsigned long long)first, second, (double)third, how);
    IN_CONTEXT("cuLaunchKernel", detail);
    if (!found) {
        return INVALID_HANDLE;
    }
    if (!gx || !gy || !gz || !launch.block || gy > 65535 || gz > 65535 || launch.block > 1024) {
        return INVALID_VALUE;
    }
    launches++;
    Op op = {.launch = aligned_alloc(_Alignof(Launch), sizeof launch)};
    *op.launch = launch;
    int code = give(stream, op);
    return code ? code : sticky;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    (void)extra;
    return launch_kernel(function, gx, gy, gz, bx, by, bz, shared, stream, arguments, "");
}
typedef struct { int which; int padding; int value[16]; } Attribute;
typedef struct { unsigned grid[3], block[3], shared; void *stream; const Attribute *attributes; unsigned count; } Config;
int cuLaunchKernelEx(const Config *c, void *function, void **arguments, void **extra) {
    (void)extra;
    if (c->count != 1 || c->attributes->which != 6 || c->attributes->value[0] != 1 || capability < 90) {
        return INVALID_VALUE;
    }
    return launch_kernel(function, c->grid[0], c->grid[1], c->grid[2], c->block[0], c->block[1], c->block[2], c->shared,
                         c->stream, arguments, " early");
}
