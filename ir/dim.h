/* ir/dim.h - dimensions: a constant or an interned expression over symbols with bounds.
 *
 * A dimension travels as an int64_t: >= 0 is a constant, < 0 is minus the id of an expression.  Expressions are
 * kept canonical (a sum of integer multiples of products of atoms; an atom is a symbol or a floordiv, mod, min or
 * max of two expressions), so that equal expressions are equal numbers.  Bounds follow by interval arithmetic. */
#ifndef NNC_IR_DIM_H
#define NNC_IR_DIM_H
#include "ir/base/intern.h"

typedef int64_t nnc_dim;
typedef struct nnc_dims nnc_dims; /* the table; one per module */

/* A size known at compile time.  A negative constant (shape arithmetic knows -1) is an expression of one number. */
static inline bool nnc_dim_is_const(nnc_dim d)
{
    return d >= 0;
}

nnc_dims *nnc_dims_new(nnc_arena *a, nnc_intern *names);
/* The symbol `name` with lo <= value <= hi; a second call with the same name returns the same symbol and ignores
 * the bounds.  hi == INT64_MAX: unbounded (importers must refuse it before code is made). */
nnc_dim nnc_dim_symbol(nnc_dims *t, nnc_sym name, int64_t lo, int64_t hi);
/* A symbol nobody has named yet: "stem", "stem1", ... */
nnc_dim nnc_dim_fresh(nnc_dims *t, const char *stem, int64_t lo, int64_t hi);
/* Does an expression consist of exactly one symbol?  Its name, bounds. */
bool nnc_dim_is_symbol(const nnc_dims *t, nnc_dim d, nnc_sym *name);

/* Any integer; the integer behind a dimension, if it is one (negative ones included). */
nnc_dim nnc_dim_const(nnc_dims *t, int64_t v);
bool nnc_dim_value(const nnc_dims *t, nnc_dim d, int64_t *v);

nnc_dim nnc_dim_add(nnc_dims *t, nnc_dim a, nnc_dim b);
nnc_dim nnc_dim_sub(nnc_dims *t, nnc_dim a, nnc_dim b);
nnc_dim nnc_dim_mul(nnc_dims *t, nnc_dim a, nnc_dim b);
nnc_dim nnc_dim_floordiv(nnc_dims *t, nnc_dim a, nnc_dim b); /* exact when b divides every term */
nnc_dim nnc_dim_ceildiv(nnc_dims *t, nnc_dim a, nnc_dim b);
nnc_dim nnc_dim_mod(nnc_dims *t, nnc_dim a, nnc_dim b);
nnc_dim nnc_dim_min(nnc_dims *t, nnc_dim a, nnc_dim b);
nnc_dim nnc_dim_max(nnc_dims *t, nnc_dim a, nnc_dim b);

/* Bounds.  A constant is its own. */
int64_t nnc_dim_lo(const nnc_dims *t, nnc_dim d);
int64_t nnc_dim_hi(const nnc_dims *t, nnc_dim d);

/* Structure, for lowering and for evaluation: visit as a sum of terms.  An expression has nterm terms; each is
 * coef * product of atoms; atoms are (op, a, b) with op '$' a symbol (a = index of the symbol in the table). */
typedef struct nnc_dim_atom {
    char op;
    nnc_dim a, b;
} nnc_dim_atom; /* '$' symbol, '/' '%' '<'(min) '>'(max) */
typedef struct nnc_dim_term {
    int64_t coef;
    const uint32_t *atom;
    uint32_t natom;
} nnc_dim_term;
const nnc_dim_term *nnc_dim_terms(const nnc_dims *t, nnc_dim d, uint32_t *n);
nnc_dim_atom nnc_dim_atom_get(const nnc_dims *t, uint32_t atom);

uint32_t nnc_dim_nsymbol(const nnc_dims *t); /* symbols are 0 .. n-1 */
nnc_sym nnc_dim_symbol_name(const nnc_dims *t, uint32_t i);
nnc_dim nnc_dim_symbol_at(const nnc_dims *t, uint32_t i);
/* The value of `d` when symbol i has value[i]. */
int64_t nnc_dim_eval(const nnc_dims *t, nnc_dim d, const int64_t *value);
/* Text: "12", "n", "2*n+1", "floordiv(n+3,4)", "min(n,m)".  Read back by nnc_dim_parse (NULL on error -> false). */
const char *nnc_dim_text(nnc_dims *t, nnc_dim d);
bool nnc_dim_parse(nnc_dims *t, const char *s, size_t len, nnc_dim *out);
#endif
