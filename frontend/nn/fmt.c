/* The formatter works on tokens, not on the tree: whatever is printed, the tokens stay what they were.
 *
 * 1. pieces(): tokens, the comments and line ends between them, which brackets belong together.
 * 2. author_breaks(): line breaks that must be (statements, comments) or that the author made.
 * 3. print(): line by line.  A line that is too wide gets one more break, the outermost and last that fits, and is
 *    measured again.  A break once made is a break of the author the next time: formatting is idempotent.
 * 4. align(): comments behind the code of neighbouring lines start in one column. */
#include "frontend/nn/fmt.h"
#include "frontend/nn/fmt_piece.h"
#include "frontend/nn/parse.tab.h"
#include <string.h>

enum { STEP = 2, FAR = 60 /* brackets further right than this do not align what is in them */ };

typedef struct {
    uint32_t depth, indent;
} line_start;

typedef struct fmt {
    nn_syntax *s;
    const nn_file *file; /* its comments are those of the scan made here */
    nn_text x;
    NNC_BUF(char) out;
    NNC_BUF(uint32_t) mark;   /* where in it a comment stands behind code */
    NNC_BUF(line_start) line; /* of growing depth: the newest line that began at most that deep */
    uint32_t *base;           /* per bracket: the indentation of the line that counts for it */
    uint32_t *indent;         /* per piece: of the line it stands on */
    uint32_t *inside;         /* per bracket: the indentation of lines in it */
    uint32_t column;
} fmt;

/* ---- 1. pieces --------------------------------------------------------------------------------------------------- */

static uint32_t columns(const char *p, uint32_t n)
{
    uint32_t w = 0;
    for (uint32_t i = 0; i < n; i++)
        w += ((unsigned char)p[i] & 0xC0) != 0x80;
    return w;
}

static uint32_t count_lines(const char *text, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    for (; from < to; from++)
        n += text[from] == '\n';
    return n;
}

static bool opens(int k)
{
    return k == '(' || k == '[' || k == '{';
}
static bool closes(int k)
{
    return k == ')' || k == ']' || k == '}';
}

/* Pairs, depths and enclosing brackets; the text has been parsed, so they match. */
static void nest(fmt *f)
{
    uint32_t open = 0, depth = 0;
    for (uint32_t i = 1; i < f->x.n; i++) {
        nn_piece *p = &f->x.at[i];
        if (closes(p->kind) && open) {
            p->pair = open;
            f->x.at[open].pair = i;
            open = f->x.at[open].outer;
            depth--;
        }
        p->outer = open;
        p->depth = depth;
        if (opens(p->kind)) {
            open = i;
            depth++;
        }
    }
}

static void take_comments(fmt *f, nn_piece *p, uint32_t *next)
{
    p->note = *next;
    while (*next < f->file->comment.n && f->file->comment.at[*next].begin < p->at.begin)
        ++*next;
    if (p->kind == 0)
        *next = f->file->comment.n;
    p->notes = *next - p->note;
}

static void make_pieces(fmt *f, const nn_tokens *token)
{
    nn_pieces list = {0};
    uint32_t end = 0, comment = 0;
    bool starts = true;
    NNC_PUSH(f->s->arena, &list, (nn_piece){.kind = NN_T_NL});
    for (uint32_t i = 1; i < token->n; i++) {
        const nn_token *t = &token->at[i];
        if (t->kind == NN_T_NL) {
            starts = true;
            continue;
        }
        nn_piece p = {.kind = t->kind,
                      .at = t->at,
                      .starts = (starts || list.at[list.n - 1].kind == '{') && t->kind != '}',
                      .lines = count_lines(f->x.text, end, t->at.begin),
                      .width = columns(f->x.text + t->at.begin, t->at.end - t->at.begin)};
        take_comments(f, &p, &comment);
        NNC_PUSH(f->s->arena, &list, p);
        end = t->at.end;
        starts = false;
    }
    f->x.at = list.at;
    f->x.n = list.n;
    nest(f);
}

/* ---- 2. breaks that are there ------------------------------------------------------------------------------------ */

/* Put the statements of a block on lines of their own. */
static void open_block(nn_text *x, uint32_t i)
{
    uint32_t end = x->at[i].pair;
    if (end == i + 1 && !x->at[end].notes)
        return; /* {} */
    x->at[i].wide = true;
    x->at[end].breaks = true;
    for (uint32_t k = i + 1; k < end; k++) {
        if (x->at[k].starts && x->at[k].outer == i)
            x->at[k].breaks = true;
        if (opens(x->at[k].kind))
            k = x->at[k].pair - 1;
    }
}

/* `@inline` stands above its declaration. */
static bool after_line_of_hints(const nn_text *x, uint32_t i)
{
    while (nn_piece_after_hint(x, i) && !nn_piece_is_postfix(x, i)) {
        uint32_t at = i - 1;
        if (x->at[at].kind == ')')
            at = x->at[at].pair - 1;
        i = at - 1;
        if (x->at[i].starts)
            return true;
    }
    return false;
}

static bool author_break(const nn_text *x, uint32_t i)
{
    const nn_piece *p = &x->at[i], *last = p - 1;
    if (p->notes || p->kind == 0)
        return true;
    if (p->starts && p->outer == 0)
        return true;
    if (p->outer == 0 && after_line_of_hints(x, i))
        return true;
    if (!p->lines || !nn_piece_may_break(x, i))
        return false;
    if (p->kind == NN_T_ELSE && last->kind == '}')
        return !x->at[last->pair].wide;
    return true;
}

static void author_breaks(nn_text *x)
{
    for (uint32_t i = 1; i < x->n; i++) {
        nn_piece *p = &x->at[i];
        if (p->kind == '{' && count_lines(x->text, p->at.end, x->at[p->pair].at.begin))
            open_block(x, i);
        if (i == 1 || p->breaks)
            continue;
        if (closes(p->kind))
            p->breaks = p->notes || x->at[p->pair].wide;
        else
            p->breaks = author_break(x, i);
        if (p->breaks && ((p - 1)->kind == '(' || (p - 1)->kind == '['))
            (p - 1)->wide = true;
    }
}

/* ---- 3. printing ------------------------------------------------------------------------------------------------- */

static void put(fmt *f, const char *p, uint32_t n)
{
    NNC_RESERVE(f->s->arena, &f->out, f->out.n + n);
    memcpy(f->out.at + f->out.n, p, n);
    f->out.n += n;
}

static void put_char(fmt *f, char c)
{
    NNC_PUSH(f->s->arena, &f->out, c);
}

static void new_line(fmt *f, uint32_t indent)
{
    put_char(f, '\n');
    for (uint32_t i = 0; i < indent; i++)
        put_char(f, ' ');
}

/* Separator before piece i when it does not begin a line. */
static uint32_t gap(const fmt *f, uint32_t i)
{
    const nn_piece *p = &f->x.at[i];
    if (p->starts && (p - 1)->kind != '{' && i > 1)
        return 2; /* "; " */
    return nn_piece_has_space(&f->x, i);
}

/* The word that a block belongs to: its `for`, `if`, `fn`, .. or what starts the statement. */
static uint32_t block_head(const nn_text *x, uint32_t i)
{
    for (uint32_t k = i - 1; k > 0; k--) {
        const nn_piece *p = &x->at[k];
        if (closes(p->kind)) {
            k = p->pair;
            p = &x->at[k];
        }
        if (p->starts || opens(p->kind) || nn_token_heads_block(p->kind))
            if (p->starts || !opens(p->kind) || p->pair > i)
                return opens(p->kind) && !p->starts ? k + 1 : k;
    }
    return i;
}

/* The `over` whose list of unknowns piece i goes on with, if it began a line; else 0. */
static uint32_t unknowns_before(const nn_text *x, uint32_t i)
{
    for (uint32_t k = i - 1; k > 1 && !x->at[k].starts; k--) {
        if (closes(x->at[k].kind))
            k = x->at[k].pair;
        else if (x->at[k].kind == NN_T_OVER)
            return x->at[k].breaks ? k : 0;
        else if (opens(x->at[k].kind) || x->at[k].kind == NN_T_FOR)
            return 0;
    }
    return 0;
}

static uint32_t indent_of(const fmt *f, uint32_t i)
{
    const nn_piece *p = &f->x.at[i];
    if (closes(p->kind))
        return f->base[p->pair];
    uint32_t in = p->outer ? f->inside[p->outer] : 0;
    bool block = !p->outer || f->x.at[p->outer].kind == '{';
    if (p->kind == NN_T_ELSE && (p - 1)->kind == '}')
        return f->indent[block_head(&f->x, (p - 1)->pair)];
    uint32_t over = (p - 1)->kind == ',' && block ? unknowns_before(&f->x, i) : 0;
    if (over)
        return f->indent[over] + 5; /* behind `over ` */
    if (!block || p->starts || p->kind == 0 || p->kind == NN_T_BACKWARD ||
        nn_piece_after_hint(&f->x, i))
        return in;
    return in + STEP;
}

/* A line begins with piece i. */
static void begin_line(fmt *f, uint32_t i, uint32_t indent)
{
    uint32_t depth = f->x.at[i].depth;
    while (f->line.n && f->line.at[f->line.n - 1].depth >= depth)
        f->line.n--;
    NNC_PUSH(f->s->arena, &f->line, (line_start){depth, indent});
    f->column = indent;
}

static void open_bracket(fmt *f, uint32_t i)
{
    const nn_piece *p = &f->x.at[i];
    uint32_t n = f->line.n;
    while (n > 1 && f->line.at[n - 1].depth > p->depth)
        n--;
    f->base[i] = n ? f->line.at[n - 1].indent : 0;
    if (p->kind == '{')
        f->base[i] = f->indent[block_head(&f->x, i)];
    if (p->kind == '{' || p->wide)
        f->inside[i] = f->base[i] + STEP;
    else
        f->inside[i] = f->column <= FAR ? f->column : f->base[i] + 2 * STEP;
}

/* All blocks of an if .. else chain are opened together. */
static void open_chain(nn_text *x, uint32_t i)
{
    for (uint32_t head = block_head(x, i); head > 2; head = block_head(x, i)) {
        head -= x->at[head].kind != NN_T_ELSE; /* else if */
        if (x->at[head].kind != NN_T_ELSE || x->at[head - 1].kind != '}')
            break;
        i = x->at[head - 1].pair;
    }
    for (;;) {
        open_block(x, i);
        uint32_t end = x->at[i].pair;
        if (x->at[end + 1].kind != NN_T_ELSE)
            return;
        x->at[end + 1].breaks =
            x->at[end + 1].notes; /* `} else` on one line, as behind any wide block */
        for (i = end + 2; x->at[i].kind != '{' && i + 1 < x->n; i++)
            if (x->at[i].kind == '(' || x->at[i].kind == '[')
                i = x->at[i].pair;
        if (x->at[i].kind != '{')
            return;
    }
}

/* What to do with a line that is too wide. */
typedef struct {
    uint32_t piece; /* break before it, or open the block it starts */
    unsigned rank;
} choice;

static void consider(choice *best, uint32_t piece, unsigned rank)
{
    if (rank && (!best->rank || rank <= best->rank))
        *best = (choice){piece, rank};
}

/* A block of the statement itself is opened rather than the line broken elsewhere, one among arguments is not. */
static unsigned block_rank(const nn_text *x, uint32_t i)
{
    const nn_piece *p = &x->at[i];
    bool argument = p->outer && x->at[p->outer].kind != '{';
    return p->depth * NN_RANKS + (argument ? 13 : 1);
}

/* Measure the line that begins with piece i; when it is too wide, find where to break it. */
static choice measure(const fmt *f, uint32_t i, uint32_t indent)
{
    const nn_text *x = &f->x;
    choice best = {0};
    uint32_t column = indent, closed = 0; /* closed: behind the one-line block we are in */
    for (uint32_t k = i; k < x->n && x->at[k].kind; k++) {
        const nn_piece *p = &x->at[k];
        if (k > i && p->breaks)
            return (choice){0};
        uint32_t wide = column + (k > i ? gap(f, k) : 0) + p->width;
        if (k > i && k > closed && column <= NN_FORMAT_WIDTH)
            consider(&best, k, nn_piece_break_rank(x, k));
        if (p->kind == '{' && !p->wide && k > closed) {
            if (p->pair > k + 1)
                consider(&best, k, block_rank(x, k));
            closed = p->pair;
        }
        if (wide > NN_FORMAT_WIDTH && best.rank)
            return best;
        if (wide > NN_FORMAT_WIDTH && k > i &&
            k > closed) { /* nothing before: the first place behind */
            consider(&best, k, nn_piece_break_rank(x, k));
            if (best.rank)
                return best;
        }
        column = wide;
    }
    return (choice){0};
}

/* A list of numbers that was too wide is filled anew: the lines of the author would leave ragged ends. */
static void refill(nn_text *x, uint32_t i)
{
    uint32_t list = x->at[i].outer;
    if (!list || x->at[list].kind != '[' || x->at[i - 1].kind != ',' || x->at[list].refilled)
        return;
    x->at[list].refilled = true;
    for (uint32_t k = i + 1; k < x->at[list].pair; k++) {
        if (x->at[k].outer == list && x->at[k - 1].kind == ',' && !x->at[k].notes)
            x->at[k].breaks = false;
        if (opens(x->at[k].kind))
            k = x->at[k].pair;
    }
}

static void fit(fmt *f, uint32_t i, uint32_t indent)
{
    for (;;) {
        choice c = measure(f, i, indent);
        nn_text *x = &f->x;
        if (!c.rank)
            return;
        if (x->at[c.piece].kind == '{' && c.rank == block_rank(x, c.piece)) {
            open_chain(x, c.piece);
            continue;
        }
        x->at[c.piece].breaks = true;
        refill(x, c.piece);
        int last = x->at[c.piece - 1].kind;
        if (last == '(' || last == '[') {
            x->at[c.piece - 1].wide = true;
            x->at[x->at[c.piece - 1].pair].breaks = true;
        }
    }
}

/* The comments before piece i, and an empty line where the author had one. */
static void put_comments(fmt *f, uint32_t i, uint32_t indent)
{
    const nn_piece *p = &f->x.at[i];
    const char *text = f->x.text;
    uint32_t end = (p - 1)->at.end;
    bool block = !p->outer || f->x.at[p->outer].kind == '{', inner = closes(p->kind);
    if (inner) {
        indent = f->inside[p->pair];
        block = p->kind == '}';
    }
    for (uint32_t c = p->note; c < p->note + p->notes; c++) {
        const nn_comment *n = &f->file->comment.at[c];
        uint32_t size = n->end - n->begin;
        while (size > 1 && (text[n->begin + size - 1] == ' ' || text[n->begin + size - 1] == '\t'))
            size--;
        if (c == p->note && !n->alone && i > 1) {
            NNC_PUSH(f->s->arena, &f->mark, f->out.n); /* align() puts blanks there */
        } else if (f->out.n) {
            if (block && count_lines(text, end, n->begin) > 1 &&
                !(c == p->note && (p - 1)->kind == '{'))
                put_char(f, '\n');
            new_line(f, indent);
        }
        put(f, text + n->begin, size);
        end = n->end;
    }
    bool first = (p - 1)->kind == '{' && !p->notes;
    if (block && !inner && !first && p->kind && f->out.n &&
        count_lines(text, end, p->at.begin) > 1 && (p->starts || p->notes))
        put_char(f, '\n');
}

static void put_piece(fmt *f, uint32_t i)
{
    const nn_piece *p = &f->x.at[i];
    f->indent[i] = f->line.at[f->line.n - 1].indent;
    put(f, f->x.text + p->at.begin, p->at.end - p->at.begin);
    f->column += p->width;
    if (opens(p->kind))
        open_bracket(f, i);
}

static void print(fmt *f)
{
    for (uint32_t i = 1; i < f->x.n; i++) {
        nn_piece *p = &f->x.at[i];
        if (p->breaks || i == 1) {
            uint32_t indent = indent_of(f, i);
            put_comments(f, i, indent);
            if (p->kind == 0)
                break;
            if (f->out.n)
                new_line(f, indent);
            begin_line(f, i, indent);
            fit(f, i, indent);
        } else {
            uint32_t n = gap(f, i);
            put(f, n == 2 ? "; " : " ", n);
            f->column += n;
        }
        put_piece(f, i);
    }
    if (f->out.n)
        put_char(f, '\n');
}

/* ---- 4. comments behind code ------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t begin, mark, end; /* of a line: mark is where its comment begins, or end */
} output_line;

/* *k: the next mark. */
static output_line line_at(const fmt *f, uint32_t begin, uint32_t *k)
{
    output_line l = {.begin = begin, .end = begin};
    while (l.end < f->out.n && f->out.at[l.end] != '\n')
        l.end++;
    l.mark = *k < f->mark.n && f->mark.at[*k] <= l.end ? f->mark.at[(*k)++] : l.end;
    return l;
}

/* Lines from `begin` on that all have a comment behind their code: the column they share, or 0. */
static uint32_t shared_column(const fmt *f, output_line l, uint32_t k)
{
    uint32_t widest = 0, longest = 0;
    for (; l.mark < l.end; l = line_at(f, l.end + 1, &k)) {
        uint32_t code = columns(f->out.at + l.begin, l.mark - l.begin);
        uint32_t note = columns(f->out.at + l.mark, l.end - l.mark);
        widest = code > widest ? code : widest;
        longest = note > longest ? note : longest;
    }
    return widest + 2 + longest > NN_FORMAT_WIDTH ? 0 : widest + 2;
}

static const char *align(fmt *f, size_t *size)
{
    NNC_BUF(char) done = {0};
    uint32_t column = 0, k = 0;
    bool run = false;
    for (uint32_t b = 0; b < f->out.n;) {
        output_line l = line_at(f, b, &k);
        bool marked = l.mark < l.end;
        if (marked && !run)
            column = shared_column(f, l, k);
        run = marked;
        for (uint32_t i = l.begin; i < l.mark; i++)
            NNC_PUSH(f->s->arena, &done, f->out.at[i]);
        uint32_t code = columns(f->out.at + l.begin, l.mark - l.begin);
        for (uint32_t i = code; marked && i < (column ? column : code + 2); i++)
            NNC_PUSH(f->s->arena, &done, ' ');
        for (uint32_t i = l.mark; i <= l.end && i < f->out.n; i++)
            NNC_PUSH(f->s->arena, &done, f->out.at[i]);
        b = l.end + 1;
    }
    *size = done.n;
    NNC_PUSH(f->s->arena, &done, 0);
    return done.at;
}

const char *nn_format(nn_syntax *s, const nn_file *file, size_t *size)
{
    nn_file scanned = {.path = file->path, .text = file->text, .size = file->size};
    nn_messages none = {0};
    nn_parser cx = {.s = s, .file = &scanned, .messages = &none};
    cx.region = (nn_span){file->size >= 3 && !memcmp(file->text, "\xEF\xBB\xBF", 3) ? 3 : 0,
                          (uint32_t)file->size};
    nn_scan(&cx);
    nn_lines(&cx);
    fmt f = {.s = s, .file = &scanned, .x = {.text = file->text}};
    make_pieces(&f, &cx.token);
    f.base = nnc_arena_array(s->arena, f.x.n, sizeof *f.base);
    f.indent = nnc_arena_array(s->arena, f.x.n, sizeof *f.indent);
    f.inside = nnc_arena_array(s->arena, f.x.n, sizeof *f.inside);
    author_breaks(&f.x);
    print(&f);
    return align(&f, size);
}
