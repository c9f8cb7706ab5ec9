/* Reading and printing schedule lines. */
#include "passes/schedule/plan.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *t)
{
    while (*t == ' ')
        t++;
    return t;
}

/* The word w at *t, not followed by a letter? */
static bool word(const char **t, const char *w)
{
    size_t n = strlen(w);
    if (strncmp(*t, w, n) || isalpha((unsigned char)(*t)[n]))
        return false;
    *t = skip_space(*t + n);
    return true;
}

static bool one_loop(nnc_plan *p, const char **t)
{
    const char *s = *t;
    char *end;
    if (!isalpha((unsigned char)s[0]) || s[1] != ':' || !isdigit((unsigned char)s[2]) ||
        p->n == NNC_PLAN_LOOPS)
        return false;
    nnc_plan_loop l = {.axis = s[0], .kind = ' '};
    l.step = strtoll(s + 2, &end, 10);
    if (*end && strchr("uvpsd", *end))
        l.kind = *end++;
    if (l.step < 1 || (*end && *end != ' '))
        return false;
    p->loop[p->n++] = l;
    *t = skip_space(end);
    return true;
}

/* Skips "winograd:n" and returns n; 0: it is not there. */
static int winograd(const char **t)
{
    static const char key[] = "winograd:";
    if (strncmp(*t, key, sizeof key - 1) || !isdigit((unsigned char)(*t)[sizeof key - 1]))
        return 0;
    int n = (*t)[sizeof key - 1] - '0';
    *t = skip_space(*t + sizeof key);
    return n;
}

bool nnc_plan_parse(nnc_plan *p, const char *text, const char **at)
{
    const char *t = skip_space(text);
    int tile = winograd(&t);
    bool outer = word(&t, "outer"), pending = outer;
    memset(p, 0, sizeof *p);
    p->winograd = tile;
    while (*t) {
        if (word(&t, "pack")) {
            p->pack = true;
            if (*t && !t[1]) /* the operand's name is only for readers */
                t++;
            break;
        }
        if (pending && word(&t, "stage")) {
            p->nouter = p->n;
            pending = false;
        } else if (!one_loop(p, &t)) {
            break;
        }
    }
    *at = t;
    return !*t && !pending;
}

int nnc_plan_print(const nnc_plan *p, char *to, size_t size)
{
    int n = 0;
    to[0] = 0;
#define PUT(...)                                                   \
    (n += snprintf(to + ((size_t)n < size ? (size_t)n : size - 1), \
                   (size_t)n < size ? size - (size_t)n : 1, __VA_ARGS__))
    if (p->winograd)
        PUT("winograd:%d ", p->winograd);
    if (p->nouter)
        PUT("outer ");
    for (unsigned i = 0; i < p->n; i++) {
        char kind[2] = {p->loop[i].kind == ' ' ? '\0' : p->loop[i].kind, 0};
        PUT("%s%c:%lld%s", i && i != p->nouter ? " " : "", p->loop[i].axis,
            (long long)p->loop[i].step, kind);
        if (i + 1 == p->nouter)
            PUT(" stage ");
    }
    if (p->pack)
        PUT("%spack", p->n ? " " : "");
#undef PUT
    return n;
}

void nnc_plan_insert(nnc_plan *p, unsigned i, char axis, int64_t step, char kind)
{
    assert(p->n < NNC_PLAN_LOOPS && i <= p->n);
    memmove(p->loop + i + 1, p->loop + i, (p->n - i) * sizeof p->loop[0]);
    p->loop[i] = (nnc_plan_loop){axis, kind, step};
    p->n++;
    if (i < p->nouter)
        p->nouter++;
}
