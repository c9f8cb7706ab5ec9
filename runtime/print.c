/* print and report. */
#include "session.h"
#include "format.h"
#include <stdlib.h>
#include <string.h>

/* The column at which the text now stands. */
static int column_of(const nnp_text *t)
{
    const char *line = t->n ? strrchr(t->at, '\n') : NULL;
    return nnp_text_width(line ? line + 1 : nnp_text_str(t));
}

int nnp_do_print(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    const nnp_print *p = op->detail;
    nnp_text line = {0}, log = {0};
    for (int i = 0; i < p->npiece; i++) {
        const nnp_piece *piece = &p->piece[i];
        if (piece->value < 0) {
            nnp_text_add(&line, piece->text);
            continue;
        }
        nnp_view v = nnp_view_of(&p->value[piece->value], data, dim);
        nnp_tensor_put(piece->spec, &v, column_of(&line), &line);
    }
    nnp_text_add(&log, "\"print\": ");
    nnp_text_json(&log, nnp_text_str(&line));
    if (c->place_json.n)
        nnp_text_printf(&log, ", \"point\": {%s}", c->place_json.at);
    nnp_text_char(&line, '\n');
    nnp_tell(c, NNP_SHOW, line.at, line.n);
    nnp_tell(c, NNP_LOG, log.at, log.n);
    nnp_text_free(&line);
    nnp_text_free(&log);
    return 0;
}

/* ---- report ---- */

static int64_t scalar_int(int at, void *const *data, const nnp_report *r, int which)
{
    nnp_dtype d = which == 0 ? r->step_dtype : which == 1 ? r->steps_dtype : r->samples_dtype;
    return nnp_element_int(d, data[at], 0);
}

/* "step 500 of 3000, 12.3 k samples/s, 4 s left" */
static void pace(nnp_scope *c, const nnp_host_op *op, void *const *data, nnp_text *line)
{
    const nnp_report *r = op->detail;
    nnp_timer *t = &c->session->timer[op - c->session->program->host];
    double now = nnp_now();
    if (r->step < 0)
        return;
    int64_t step = scalar_int(r->step, data, r, 0);
    if (t->start == 0 || step <= t->last) { /* a new training */
        t->start = now;
        t->first = step;
    }
    t->last = step;
    nnp_text_printf(line, "step %lld", (long long)step);
    int64_t steps = r->steps >= 0 ? scalar_int(r->steps, data, r, 1) : -1;
    if (steps >= 0)
        nnp_text_printf(line, " of %lld", (long long)steps);
    if (step <= t->first || now <= t->start)
        return;
    double each = (now - t->start) / (double)(step - t->first);
    if (r->samples >= 0) {
        double rate = (double)scalar_int(r->samples, data, r, 2) / each;
        if (rate >= 1e6)
            nnp_text_printf(line, ", %.3g M samples/s", rate / 1e6);
        else if (rate >= 1e3)
            nnp_text_printf(line, ", %.3g k samples/s", rate / 1e3);
        else
            nnp_text_printf(line, ", %.3g samples/s", rate);
    }
    if (steps > step) {
        nnp_text_add(line, ", ");
        nnp_seconds_text(each * (double)(steps - step), line);
        nnp_text_add(line, " left");
    }
}

int nnp_do_report(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    const nnp_report *r = op->detail;
    nnp_text line = {0}, log = {0};
    nnp_text_add(&line, "  ");
    if (!c->up)
        pace(c, op, data, &line);
    if (r->step >= 0)
        nnp_text_printf(&log, "\"step\": %lld", (long long)scalar_int(r->step, data, r, 0));
    for (int i = 0; i < r->n; i++) {
        nnp_view v = nnp_view_of(&r->item[i].value, data, dim);
        const char *name = r->item[i].name ? r->item[i].name : "value";
        nnp_text_printf(&line, "%s%s ", line.n > 2 ? ", " : "", name);
        if (v.count == 1)
            nnp_view_text(&v, 0, 4, &line);
        else
            nnp_text_printf(&line, "(%zu numbers)", v.count);
        nnp_text_add(&log, log.n ? ", " : "");
        nnp_text_json(&log, name);
        nnp_text_add(&log, ": ");
        nnp_view_json_all(&v, &log);
    }
    if (c->place_json.n)
        nnp_text_printf(&log, "%s\"point\": {%s}", log.n ? ", " : "", c->place_json.at);
    if (!c->up)
        nnp_progress(c->session, line.at);
    nnp_tell(c, NNP_LOG, nnp_text_str(&log), log.n);
    nnp_text_free(&line);
    nnp_text_free(&log);
    return 0;
}
