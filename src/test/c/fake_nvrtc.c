/*
 * NVRTC without a compiler, for tests: what it "compiles" to is a text that depends on everything it was given. It counts the
 * programs that live, refuses dead ones, fails when it is told to, and remembers every call. Several threads may use it.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, COMPILATION = 6 };
enum { PROGRAMS = 4096, FAILURES = 4, LOG_BYTES = 1 << 16, TEXT = 256 };

typedef struct { int alive, compiled; uint64_t hash; char name[TEXT], options[TEXT], log[TEXT]; } Program;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Program programs[PROGRAMS];
static int program_count;
static int live;
static char call_log[LOG_BYTES];
static size_t log_used;
static struct { char name[64]; int code; } failing[FAILURES];
static int minor = 5;

/* ---- what tests ask and tell ---- */

void fake_nvrtc_reset(void) {
    program_count = 0;
    live = 0;
    log_used = 0;
    call_log[0] = 0;
    memset(failing, 0, sizeof failing);
    minor = 5;
}
int fake_nvrtc_live(void) { return live; }
const char *fake_nvrtc_log(void) { return call_log; }
/* The next call of this name fails with this code; so many can be told at once. */
void fake_nvrtc_fail(const char *name, int code) {
    int i = 0;
    while (i < FAILURES - 1 && failing[i].code) {
        i++;
    }
    snprintf(failing[i].name, sizeof failing[i].name, "%s", name);
    failing[i].code = code;
}
void fake_nvrtc_minor(int value) { minor = value; }

/* ---- inside ---- */

static int called(const char *name, const char *detail) {
    int n = snprintf(call_log + log_used, LOG_BYTES - log_used, "%s%s%s\n", name, *detail ? " " : "", detail);
    if (n > 0 && log_used + (size_t)n < LOG_BYTES) {
        log_used += (size_t)n;
    }
    for (int i = 0; i < FAILURES; i++) {
        if (failing[i].code && strcmp(failing[i].name, name) == 0) {
            int code = failing[i].code;
            failing[i].code = 0;
            return code;
        }
    }
    return OK;
}
static uint64_t hash(uint64_t seed, const char *text) {
    for (; *text; text++) {
        seed = (seed ^ (unsigned char)*text) * 1099511628211u;
    }
    return seed * 31 + 7;
}
static Program *find(void *program) {
    Program *found = program;
    return found >= programs && found < programs + program_count && found->alive ? found : NULL;
}
static void append(char *text, const char *more) {
    size_t used = strlen(text);
    snprintf(text + used, TEXT - used, "%s%s", used ? " " : "", more);
}
static size_t cubin(const Program *program, char *out) {
    char text[2 * TEXT + 64];
    int n = snprintf(text, sizeof text, "cubin of %s %s %llx", program->name, program->options,
                     (unsigned long long)program->hash);
    if (out) {
        memcpy(out, text, (size_t)n);
    }
    return (size_t)n;
}

#define BEGIN(name, detail) \
    pthread_mutex_lock(&lock); \
    int code = called(name, detail); \
    Program *found = find(program); \
    code = code ? code : found ? OK : INVALID_PROGRAM
#define END pthread_mutex_unlock(&lock); return code

/* ---- NVRTC ---- */

const char *nvrtcGetErrorString(int code) {
    switch (code) {
        case OK: return "NVRTC_SUCCESS";
        case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
        case INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
        case COMPILATION: return "NVRTC_ERROR_COMPILATION";
        default: return "NVRTC_ERROR unknown";
    }
}
int nvrtcVersion(int *major, int *minor_out) { *major = 99; *minor_out = minor; return called("nvrtcVersion", ""); }
int nvrtcCreateProgram(void **out, const char *source, const char *name, int header_count, const char *const *headers,
                       const char *const *header_names) {
    pthread_mutex_lock(&lock);
    Program *program = &programs[program_count];
    memset(program, 0, sizeof *program);
    snprintf(program->name, TEXT, "%s", name);
    program->hash = hash(hash(14695981039346656037u, source), name);
    char detail[TEXT] = "";
    append(detail, name);
    for (int i = 0; i < header_count; i++) {
        program->hash = hash(hash(program->hash, header_names[i]), headers[i]);
        append(detail, header_names[i]);
    }
    int code = called("nvrtcCreateProgram", detail);
    if (code == OK) {
        program->alive = 1;
        program_count++;
        live++;
        *out = program;
    }
    END;
}
int nvrtcCompileProgram(void *program, int count, const char *const *options) {
    char detail[TEXT] = "";
    for (int i = 0; i < count; i++) {
        append(detail, options[i]);
    }
    BEGIN("nvrtcCompileProgram", detail);
    if (found) {
        found->compiled = code == OK;
        snprintf(found->options, TEXT, "%s", detail);
        if (code) {
            snprintf(found->log, TEXT, "%s(3): error: identifier \"nonsense\" is undefined\n", found->name);
        }
    }
    END;
}
int nvrtcDestroyProgram(void **program_address) {
    void *program = *program_address;
    BEGIN("nvrtcDestroyProgram", "");
    if (found) {
        found->alive = 0;
        live--;
        *program_address = NULL;
    }
    END;
}
int nvrtcGetProgramLogSize(void *program, size_t *bytes) {
    BEGIN("nvrtcGetProgramLogSize", "");
    if (code == OK) {
        *bytes = strlen(found->log) + 1;
    }
    END;
}
int nvrtcGetProgramLog(void *program, char *log) {
    BEGIN("nvrtcGetProgramLog", "");
    if (code == OK) {
        memcpy(log, found->log, strlen(found->log) + 1);
    }
    END;
}
int nvrtcGetCUBINSize(void *program, size_t *bytes) {
    BEGIN("nvrtcGetCUBINSize", "");
    code = code ? code : found->compiled ? OK : INVALID_INPUT;
    if (code == OK) {
        *bytes = cubin(found, NULL);
    }
    END;
}
int nvrtcGetCUBIN(void *program, char *out) {
    BEGIN("nvrtcGetCUBIN", "");
    code = code ? code : found->compiled ? OK : INVALID_INPUT;
    if (code == OK) {
        cubin(found, out);
    }
    END;
}
