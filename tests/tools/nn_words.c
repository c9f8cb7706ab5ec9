/* nn_words FILE.nn: every word, number and string of a program as the parser sees it, "line column class text" on a line
 * each; class is keyword, name, number, string or hole.  What editors should show, for tests/nn/editors.py. */
#include "frontend/nn/parse.tab.h"
#include <stdio.h>
#include <string.h>

static const char *class_of(const nn_parser *cx, const nn_token *t)
{
    unsigned char c = (unsigned char)cx->file->text[t->at.begin];
    switch (t->kind) {
    case NN_T_IDENT: return "name";
    case NN_T_INT:
    case NN_T_FLOAT: return "number";
    case NN_T_STRING: return "string";
    case NN_T_HOLE: return "hole";
    default: return (c | 32) >= 'a' && (c | 32) <= 'z' ? "keyword" : NULL;
    }
}

static void print_words(const nn_parser *cx)
{
    uint32_t line = 1, begin = 0, at = 0;
    for (uint32_t i = 1; i < cx->token.n; i++) {
        const nn_token *t = &cx->token.at[i];
        for (; at < t->at.begin; at++)
            if (cx->file->text[at] == '\n') {
                line++;
                begin = at + 1;
            }
        const char *class = t->kind == NN_T_NL || !t->kind ? NULL : class_of(cx, t);
        if (class)
            printf("%u %u %s %.*s\n", line, t->at.begin - begin + 1, class,
                   (int)(t->at.end - t->at.begin), cx->file->text + t->at.begin);
    }
}

int main(int argc, char **argv)
{
    static char text[1 << 20];
    FILE *in = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!in)
        return fprintf(stderr, "usage: nn_words FILE.nn\n"), 2;
    size_t size = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    nnc_arena *a = nnc_arena_new();
    nn_syntax s = {.arena = a, .diag = nnc_diag_new(a), .names = nnc_intern_new(a)};
    nn_file *file;
    nnc_status st = nn_parse(&s, argv[1], text, size, &file);
    nn_messages none = {0};
    nn_file scanned = {.path = argv[1], .text = file->text, .size = size};
    nn_parser cx = {.s = &s, .file = &scanned, .messages = &none, .region = {0, (uint32_t)size}};
    if (st == NNC_OK) {
        nn_scan(&cx);
        nn_lines(&cx);
        print_words(&cx);
    }
    nnc_arena_free(a);
    return st != NNC_OK;
}
