/* frontend/nn/data/strings.h - tensors of strings and what the language does with them.
 *
 * Strings exist while compiling only: a tensor of strings is an array of interned names, so equality is equality of ids.
 * 0 and the id of "" are both the empty string.  Results are memory of the arena. */
#ifndef NNC_FRONTEND_NN_STRINGS_H
#define NNC_FRONTEND_NN_STRINGS_H
#include "ir/interp.h"

typedef struct nn_strings {
    int rank;
    int64_t dim[NNC_MAX_RANK];
    const nnc_sym *at;
} nn_strings;
/* Where strings live. */
typedef struct nn_pool {
    nnc_arena *arena;
    nnc_intern *names;
} nn_pool;

int64_t nn_strings_count(const nn_strings *s);
const char *nn_strings_get(const nn_pool *p, const nn_strings *s, int64_t i);
nn_strings nn_strings_new(const nn_pool *p, int rank, const int64_t *dim, nnc_sym **at);

/* Functions that add an axis fail (false) when the rank would exceed NNC_MAX_RANK. */
/* s[..] cut at `sep` (not empty): item [.., most], padded with ""; count i32[..], at most `most`: pieces beyond are
 * dropped.  Blanks as separator split like other separators; "" has no pieces. */
bool nn_strings_split(const nn_pool *p, const nn_strings *s, const char *sep, int64_t most,
                      nn_strings *item, nnc_tensor *count);
/* Code points [.., most] as i32, padded with 0, and their count i32[..].  Bytes that are not UTF-8 count as U+FFFD. */
bool nn_strings_chars(const nn_pool *p, const nn_strings *s, int64_t most, nnc_tensor *code,
                      nnc_tensor *count);
/* The last axis joined with `sep` between; trailing empty strings (padding) are left out.  rank >= 1. */
nn_strings nn_strings_join(const nn_pool *p, const nn_strings *s, const char *sep);
nn_strings nn_strings_lower(const nn_pool *p, const nn_strings *s); /* ASCII letters only */
nnc_tensor nn_strings_hash(const nn_pool *p, const nn_strings *s);  /* u32: FNV-1a */
/* Blanks around are allowed; what is no number (or does not fit) gives `missing`.  i64 / f64 of the shape of s. */
nnc_tensor nn_strings_parse_int(const nn_pool *p, const nn_strings *s, int64_t missing);
nnc_tensor nn_strings_parse_float(const nn_pool *p, const nn_strings *s, double missing);
nnc_tensor nn_strings_is_number(const nn_pool *p, const nn_strings *s); /* bool */
/* bool; shapes broadcast as numbers do.  false: they do not fit. */
bool nn_strings_equal(const nn_pool *p, const nn_strings *a, const nn_strings *b, nnc_tensor *out);

/* The different strings of a tensor that occur `least` times or more, without "": frequent ones first, then by bytes, so
 * that numbers do not depend on the order of the text.  A vocabulary is a tensor of strings [n]; words[id] shows one. */
nn_strings nn_strings_vocabulary(const nn_pool *p, const nn_strings *s, int64_t least);
/* i64 of the shape of s: place of each string in `words` (the first one of equals), else `missing`. */
nnc_tensor nn_strings_lookup(const nn_pool *p, const nn_strings *words, const nn_strings *s,
                             int64_t missing);
/* A number in text: whole and in i64, else any float ("inf", "nan", "1e-3"; no hexadecimal).  0 none, 1 *i, 2 *f. */
int nn_number_parse(const char *s, size_t n, int64_t *i, double *f);
#endif
