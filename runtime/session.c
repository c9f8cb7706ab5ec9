/* Telling: a point appends a record to its scope; an experiment's scope is received at once. */
#include "session.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t nnp_interrupted;

double nnp_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void nnp_seconds_text(double s, nnp_text *out)
{
    if (s < 9.95)
        nnp_text_printf(out, "%.*f s", s < 0.0095 ? 3 : s < 0.995 ? 2 : 1, s);
    else if (s < 59.5)
        nnp_text_printf(out, "%.0f s", s);
    else if (s < 3570)
        nnp_text_printf(out, "%d min %d s", (int)(s + 0.5) / 60, (int)(s + 0.5) % 60);
    else
        nnp_text_printf(out, "%d h %d min", (int)(s / 60 + 0.5) / 60, (int)(s / 60 + 0.5) % 60);
}

/* ---- the terminal ---- */

static void clear_line(nnp_session *s)
{
    if (s->progress_shown)
        fputs("\r\033[K", stderr);
    s->progress_shown = 0;
}

/* The line, cut to what fits beside the cursor: a line that wraps could not be taken away. */
static void put_line(const char *line)
{
    struct winsize w = {0};
    int room = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col ? 79 : w.ws_col - 1;
    size_t n = 0;
    for (; line[n]; n++) {
        int starts = ((unsigned char)line[n] & 0xc0) != 0x80; /* a code point */
        if (starts && room-- == 0)
            break;
    }
    fprintf(stderr, "\r%.*s\033[K", (int)n, line);
    fflush(stderr);
}

void nnp_progress(nnp_session *s, const char *line)
{
    if (!s->progress || s->rank)
        return;
    pthread_mutex_lock(&s->lock);
    double now = nnp_now();
    if (!line) {
        clear_line(s);
    } else if (now - s->progress_time > 0.09) {
        put_line(line);
        s->progress_shown = 1;
        s->progress_time = now;
    }
    pthread_mutex_unlock(&s->lock);
}

/* Escape sequences stay when there is colour. */
static void show(nnp_session *s, const char *text)
{
    nnp_progress(s, NULL);
    text += s->blank && *text == '\n'; /* one empty line is enough */
    size_t len = strlen(text);
    s->blank = len > 1 && text[len - 1] == '\n' && text[len - 2] == '\n';
    if (s->options.color) {
        fputs(text, stdout);
    } else {
        while (*text) {
            size_t n = strcspn(text, "\033");
            fwrite(text, 1, n, stdout);
            text += n;
            if (*text)
                text += strcspn(text, "m") + (strchr(text, 'm') != NULL);
        }
    }
    fflush(stdout);
}

/* ---- tales ---- */

static void join(nnp_text *list, const char *object)
{
    nnp_text_add(list, list->n ? ",\n    " : "\n    ");
    nnp_text_add(list, object);
}

static void receive(nnp_session *s, nnp_tale tale, const char *bytes, size_t n)
{
    switch (tale) {
    case NNP_HOLDS:
    case NNP_FAILS:
        s->claims++;
        s->failed += tale == NNP_FAILS;
        if (!s->rank)
            join(&s->json_claims, bytes);
        break;
    case NNP_SHOW:
        if (!s->rank && !s->options.quiet)
            show(s, bytes);
        break;
    case NNP_WARN:
        if (!s->rank)
            show(s, bytes);
        break;
    case NNP_LOG:
        if (!s->rank)
            nnp_results_log(s, bytes);
        break;
    case NNP_RESULT:
        if (!s->rank)
            join(&s->json_tables, bytes);
        break;
    case NNP_FILE:
        if (!s->rank)
            nnp_results_file(s, bytes, n);
        break;
    }
}

void nnp_tell(nnp_scope *c, nnp_tale tale, const void *bytes, size_t n)
{
    if (!c->up) {
        receive(c->session, tale, bytes, n);
        return;
    }
    char head[9] = {(char)tale};
    uint64_t len = n;
    memcpy(head + 1, &len, 8);
    nnp_text_bytes(&c->told, head, sizeof head);
    nnp_text_bytes(&c->told, bytes, n);
    nnp_text_char(&c->told, 0); /* so that a text can be used where it lies */
}

void nnp_retell(nnp_scope *c, const nnp_text *told)
{
    for (size_t i = 0; i + 9 <= told->n;) {
        uint64_t len;
        memcpy(&len, told->at + i + 1, 8);
        nnp_tell(c, (nnp_tale)told->at[i], told->at + i + 9, (size_t)len);
        i += 9 + (size_t)len + 1;
    }
}

void nnp_scope_free(nnp_scope *c)
{
    nnp_text_free(&c->told);
    nnp_text_free(&c->place);
    nnp_text_free(&c->place_json);
    nnp_text_free(&c->error);
}

int nnp_stop(nnp_scope *c, int code, const char *format, ...)
{
    if (c->code)
        return c->code;
    va_list args;
    va_start(args, format);
    nnp_text_vprintf(&c->error, format, args);
    va_end(args);
    c->code = code;
    return code;
}

int nnp_stop_asked(nnp_scope *c)
{
    return nnp_interrupted ? nnp_stop(c, NNP_INTERRUPTED, "interrupted") : c->code;
}

/* ---- graphs and their host calls ---- */

void *nnp_workspace(size_t bytes)
{
    size_t n = (bytes + 63) / 64 * 64;
    return n < bytes ? NULL : aligned_alloc(64, n ? n : 64);
}

size_t nnp_tensor_bytes(const nnp_tensor *t)
{
    static const unsigned char bytes[] = {8, 4, 2, 2, 1, 1, 8, 4, 2, 1, 8, 4, 2, 1, 1, 4};
    size_t n = bytes[t->dtype];
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

static int call(void *context, int id, void *const *data, const size_t *const *dim)
{
    static nnp_host_fn *const of_kind[] = {
        [NNP_REPORT] = nnp_do_report, [NNP_PRINT] = nnp_do_print, [NNP_TABLE] = nnp_do_table,
        [NNP_PLOT] = nnp_do_plot,     [NNP_SAVE] = nnp_do_save,   [NNP_CLAIM] = nnp_do_claim,
        [NNP_ASSERT] = nnp_do_assert, [NNP_SWEEP] = nnp_do_sweep, [NNP_SECONDS] = nnp_do_seconds,
    };
    nnp_scope *c = context;
    const nnp_program *p = c->session->program;
    if (nnp_stop_asked(c))
        return c->code;
    if (id < 0 || id >= p->nhost)
        return nnp_stop(c, NNP_SYSTEM, "there is no host call %d", id);
    const nnp_host_op *op = &p->host[id];
    return of_kind[op->kind](c, op, data, dim);
}

nnp_host nnp_host_of(nnp_scope *c)
{
    return (nnp_host){call, c};
}

int nnp_graph_run(nnp_scope *c, const nnp_graph *g, void *const *data, size_t *const *dim,
                  void *workspace)
{
    nnp_host host = nnp_host_of(c);
    nnp_arguments a = {data, dim, &host, workspace};
    int code = g->run(g, &a);
    if (code && !c->code) {
        const nnp_program *p = c->session->program;
        nnp_stop(c, NNP_SYSTEM, "%s: %s (status %d)%s%s", g->name ? g->name : "graph",
                 p->status ? p->status(code) : "failed", code, c->place.n ? " at " : "",
                 nnp_text_str(&c->place));
    }
    return c->code;
}
