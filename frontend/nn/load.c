/* Files: reading, imports, the table of declarations, constants and data.
 *
 * A file is loaded once per compilation, whoever imports it.  `nn/..` is looked for beside the importing file, then in the
 * library.  Constants are evaluated when first used and kept outside of graphs; data is traced into the graph that uses
 * it, at its very start. */
#include "frontend/nn/expr.h"
#include "frontend/nn/types.h"
#include "frontend/nn/known.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ANY_ROOT = UINT32_MAX }; /* of data that was only read: it belongs to no graph */

static const char *read_text(nn_trace *t, const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    NNC_BUF(char) text = {0};
    size_t n;
    do {
        NNC_RESERVE(t->arena, &text, text.n + 65536);
        n = fread(text.at + text.n, 1, 65535, f);
        text.n += (uint32_t)n;
    } while (n && text.n < (1u << 28));
    fclose(f);
    NNC_RESERVE(t->arena, &text, text.n + 1);
    text.at[text.n] = 0;
    *size = text.n;
    return text.at;
}

static const char *folder_of(nn_trace *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? nnc_arena_printf(t->arena, "%.*s", (int)(slash - path + 1), path) : "";
}

static bool exists(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f)
        fclose(f);
    return f != NULL;
}

static const char *find_import(nn_trace *t, const nn_unit *from, const char *path, bool *library)
{
    const char *near = *path == '/' ? path : nnc_arena_printf(t->arena, "%s%s", from->dir, path);
    *library = from->library;
    if (exists(near) || !t->library)
        return near;
    const char *far = nnc_arena_printf(t->arena, "%s/%s", t->library, path);
    if (!exists(far))
        return near;
    *library = true;
    return far;
}

/* ---- declarations ---- */

static void declare(nn_trace *t, nn_unit *u, const nn_ast *node, const nn_ast *hint)
{
    if (nn_is(node, NN_hinted)) {
        declare(t, u, nn_kid(node, 1), nn_kid(node, 0));
        return;
    }
    if (nn_is(node, NN_error) || nn_is(node, NN_import) || !node->name.id)
        return;
    bool target = nn_is(node, NN_target);
    if (target)
        nnc_warning(t->diag, node->name_loc,
                    "'target' blocks: not yet supported; this one changes nothing");
    for (uint32_t i = 0; i < u->decl.n && !target; i++)
        if (u->decl.at[i]->name.id == node->name.id && u->decl.at[i]->node->kind != NN_target) {
            nnc_error(t->diag, node->name_loc, "'%s' is declared twice in this file",
                      nn_sym(t, node->name));
            nnc_note(t->diag, u->decl.at[i]->node->name_loc, "first here");
            return;
        }
    if (nn_is(node, NN_type_decl) && strcmp(nn_sym(t, node->name), "float") == 0) {
        const nn_ast *type = nn_kid(node, 0);
        const char *s = nn_is(type, NN_type_name) ? nn_sym(t, type->name) : "";
        nnc_dtype dt = nnc_dtype_by_name(s, strlen(s));
        if (dt && nnc_dtype_is_float(dt))
            u->float_default = dt;
        else
            nnc_error(t->diag, type->loc, "'float' must stand for a float type, for example f64");
        return;
    }
    nn_decl *d = nnc_arena_alloc(t->arena, sizeof *d);
    *d = (nn_decl){.node = node, .unit = u, .name = node->name, .hint = hint};
    NNC_PUSH(t->arena, &u->decl, d);
}

static nnc_sym name_of_path(nn_trace *t, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return nn_name(
        t, nnc_arena_printf(t->arena, "%.*s", dot ? (int)(dot - base) : (int)strlen(base), base));
}

static void import(nn_trace *t, nn_unit *u, const nn_ast *node)
{
    size_t n = strlen(node->text);
    bool library;
    const char *path = find_import(t, u, node->text, &library);
    nn_import im = {.node = node, .name = node->name.id ? node->name : name_of_path(t, node->text)};
    if (n > 5 && strcmp(node->text + n - 5, ".onnx") == 0) {
        im.model = nn_import_onnx(t, path, node);
        if (!im.model)
            return;
    } else {
        im.unit = nn_load(t, path, node);
        if (!im.unit)
            return;
        im.unit->library |= library;
    }
    NNC_PUSH(t->arena, &u->import, im);
}

nn_unit *nn_load(nn_trace *t, const char *path, const nn_ast *at)
{
    for (uint32_t i = 0; i < t->unit.n; i++)
        if (strcmp(t->unit.at[i]->file->path, path) == 0)
            return t->unit.at[i];
    size_t size;
    errno = 0;
    const char *text = read_text(t, path, &size);
    if (!text) {
        nnc_error(t->diag, at ? at->loc : nnc_loc_file(t->diag, path), "%s cannot be read: %s",
                  path, errno ? strerror(errno) : "no such file");
        return NULL;
    }
    return nn_load_text(t, path, text, size);
}

nn_unit *nn_load_text(nn_trace *t, const char *path, const char *text, size_t size)
{
    nn_unit *u = nnc_arena_alloc(t->arena, sizeof *u);
    u->float_default = NNC_DT_f32;
    u->dir = folder_of(t, path);
    nn_parse(&t->syntax, nnc_arena_str(t->arena, path), text, size, &u->file);
    NNC_PUSH(t->arena, &t->unit, u);
    for (uint32_t i = 0; i < u->file->root->nkid; i++)
        declare(t, u, u->file->root->kid[i], NULL);
    for (uint32_t i = 0; i < u->file->root->nkid; i++)
        if (nn_is(u->file->root->kid[i], NN_import))
            import(t, u, u->file->root->kid[i]);
    return u;
}

nn_decl *nn_type_decl(nn_trace *t, nn_unit *u, nnc_sym name, const nn_ast *at)
{
    for (uint32_t i = 0; i < u->decl.n; i++)
        if (u->decl.at[i]->name.id == name.id && nn_is(u->decl.at[i]->node, NN_type_decl))
            return u->decl.at[i];
    for (uint32_t k = 0; k < u->import.n; k++)
        for (uint32_t i = 0; u->import.at[k].unit && i < u->import.at[k].unit->decl.n; i++) {
            nn_decl *d = u->import.at[k].unit->decl.at[i];
            if (d->name.id == name.id && nn_is(d->node, NN_type_decl))
                return d;
        }
    (void)t;
    (void)at;
    return NULL;
}

/* ---- constants and data ---- */

static nn_v in_file(nn_trace *t, nn_decl *d, const nn_ast *type, const nn_ast *e)
{
    nn_frame frame = {.unit = d->unit,
                      .decl = d,
                      .caller = t->frame,
                      .call = NULL,
                      .depth = t->frame ? t->frame->depth + 1 : 0};
    nn_frame *old_frame = t->frame;
    nn_env *old_env = t->env;
    t->frame = &frame;
    nn_env_push(t, NN_ENV_function);
    nn_v v = nn_expr(t, e);
    if (type)
        v = nn_match(t, v, type, e, "the value");
    t->env = old_env;
    t->frame = old_frame;
    return v;
}

static void enter_decl(nn_trace *t, nn_decl *d, const nn_ast *at)
{
    if (d->busy)
        nn_fail(t, at->loc, "'%s' is computed from itself", nn_sym(t, d->name));
    d->busy = true;
}

/* The value of a declaration.  One that fails is poison from then on, so that its mistake is told once; unless nothing
 * was told, because somebody holds the messages back. */
static nn_v value_once(nn_trace *t, nn_decl *d, const nn_ast *type, const nn_ast *e)
{
    nn_catch c;
    unsigned told = nnc_diag_errors(t->diag);
    nn_try_enter(t, &c);
    if (setjmp(c.at) == 0) {
        nn_v v = in_file(t, d, type, e);
        nn_try_leave(t, &c);
        d->busy = false;
        return v;
    }
    nn_try_failed(t, &c);
    d->busy = false;
    if (nnc_diag_errors(t->diag) > told)
        d->memo = nn_poison();
    nn_fail_silently(t);
}

static bool is_poison(const nn_decl *d)
{
    return d->memo && d->memo->kind == NN_V_poison;
}

/* --set name=value: the text of the value as an expression of its own. */
static const nn_ast * override(nn_trace *t, nn_decl *d)
{
    const char *name = nn_sym(t, d->name);
    size_t n = strlen(name);
    const char *value = NULL;
    for (const char *const *s = t->set; s && *s && d->unit == t->main; s++)
        if (strncmp(*s, name, n) == 0 && (*s)[n] == '=')
            value = *s + n + 1;
    if (!value)
        return NULL;
    const char *text = nnc_arena_printf(t->arena, "const %s = %s", name, value);
    nn_file *f;
    if (nn_parse(&t->syntax, "--set", text, strlen(text), &f) != NNC_OK || f->root->nkid != 1 ||
        !nn_is(f->root->kid[0], NN_const_))
        nn_fail(t, d->node->loc, "--set %s=%s gives no value", name, value);
    return nn_kid(f->root->kid[0], 1);
}

nn_v nn_const_value(nn_trace *t, nn_decl *d, const nn_ast *at)
{
    if (is_poison(d))
        nn_fail_silently(t);
    if (d->memo)
        return nn_thaw(t, d->memo);
    enter_decl(t, d, at);
    const nn_ast *e = override(t, d);
    if (!e)
        e = nn_kid(d->node, 1);
    nn_v v = value_once(t, d, nn_kid_or_null(d->node, 0), e);
    d->memo = nn_freeze_value(t, v, e, "a const");
    return nn_thaw(t, d->memo);
}

/* Contents of files in host form; *outside: nothing else was met. */
static nn_v host_leaf(nn_trace *t, nn_v x, void *outside)
{
    const nn_host_tensor *h = x->host ? x->host : nn_input_of(t, x->ssa);
    if (!h) {
        *(bool *)outside = false;
        return x;
    }
    nn_val *v = nnc_arena_copy(t->arena, x, sizeof *x);
    v->host = h;
    v->ssa = (nnc_value){0};
    return v;
}

/* Data stands at the start of the root graph, where every region sees it. */
nn_v nn_data_value(nn_trace *t, nn_decl *d, const nn_ast *at)
{
    if (is_poison(d))
        nn_fail_silently(t);
    if (d->memo && (d->memo_root == t->nroot || d->memo_root == ANY_ROOT))
        return nn_thaw(t, d->memo);
    enter_decl(t, d, at);
    nnc_pos pos = t->b.pos;
    nn_region *region = t->region;
    t->region = NULL;
    t->b.pos = (nnc_pos){nnc_op_region(t->m, t->root, 0), t->first_op};
    nn_v v = value_once(t, d, nn_kid_or_null(d->node, 0), nn_kid(d->node, 1));
    t->b.pos = pos;
    t->region = region;
    bool outside = true;
    nn_v host = nn_map(t, v, host_leaf, &outside);
    d->memo = outside ? host : v;
    d->memo_root = outside ? ANY_ROOT : t->nroot;
    return v;
}
