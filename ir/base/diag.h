/* ir/base/diag.h - sources, locations and diagnostics.
 *
 * A location is an interned record: a byte range in a text file, an ONNX node, "made by pass P from ...", or a
 * list of parents (fused ops).  A diagnostic walks to the nearest user text and tells the rest as notes.
 * Texts are lower case, no full stop: what was found against what is expected, and the way out. */
#ifndef NNC_IR_BASE_DIAG_H
#define NNC_IR_BASE_DIAG_H
#include "ir/base/intern.h"

typedef enum { NNC_OK = 0, NNC_ERR = 1 } nnc_status;
#define NNC_TRY(call)         \
    do {                      \
        if ((call) != NNC_OK) \
            return NNC_ERR;   \
    } while (0)

typedef struct {
    uint32_t id;
} nnc_loc; /* 0: unknown place */
typedef struct {
    uint32_t id;
} nnc_source; /* a text file that locations point into */
typedef struct nnc_diag nnc_diag;

nnc_diag *nnc_diag_new(nnc_arena *a);
/* Text of a source; `text` is kept by reference and need not end with a NUL. */
nnc_source nnc_diag_source(nnc_diag *d, const char *path, const char *text, size_t len);

nnc_loc nnc_loc_text(nnc_diag *d, nnc_source s, uint32_t begin, uint32_t end);
/* An ONNX node of model `path`: its name ("" when unnamed), operator, first output, index in its graph. */
nnc_loc nnc_loc_node(nnc_diag *d, const char *path, const char *name, const char *op,
                     const char *output, uint32_t index);
/* A whole file, when nothing finer is known. */
nnc_loc nnc_loc_file(nnc_diag *d, const char *path);
nnc_loc nnc_loc_pass(nnc_diag *d, const char *pass, nnc_loc parent);
/* Does a pass stand behind it rather than the user's own text? */
bool nnc_loc_is_pass(const nnc_diag *d, nnc_loc loc);
nnc_loc nnc_loc_fused(nnc_diag *d, const nnc_loc *parents, size_t n);
/* "node 'Conv_12' (Conv)", "net.nn:7:9", "net.onnx"; arena text. */
const char *nnc_loc_text_of(nnc_diag *d, nnc_loc loc);
/* The line of a place in a text with a caret below it, as messages show it; "" for other places. */
const char *nnc_loc_excerpt(nnc_diag *d, nnc_loc loc);

/* Report; each returns NNC_ERR so that `return nnc_error(...)` reads well.  Notes belong to the error before. */
nnc_status nnc_error(nnc_diag *d, nnc_loc loc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void nnc_warning(nnc_diag *d, nnc_loc loc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void nnc_note(nnc_diag *d, nnc_loc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Keep back what is reported from here on, until it is known whether it matters: nnc_diag_release tells it, errors as
 * errors or as warnings, or it is dropped.  Holds nest.  nnc_diag_held: errors kept back by the innermost one. */
void nnc_diag_hold(nnc_diag *d);
unsigned nnc_diag_held(const nnc_diag *d);
void nnc_diag_release(nnc_diag *d, bool as_errors);
void nnc_diag_drop(nnc_diag *d); /* the innermost hold, untold */

unsigned nnc_diag_errors(const nnc_diag *d); /* so far; at most 50 are printed */
unsigned nnc_diag_warnings(const nnc_diag *d);
/* Where texts go: stderr by default; tests collect them.  `quiet` drops warnings. */
typedef void (*nnc_diag_sink)(void *user, const char *text);
void nnc_diag_set_sink(nnc_diag *d, nnc_diag_sink sink, void *user);
void nnc_diag_set_quiet(nnc_diag *d, bool quiet);
#endif
