/* runtime/text.h - a growing piece of text or bytes, always ended by a 0 that is not counted.
 *
 * Starts as {0}; nnp_text_free gives the memory back.  Without memory the program says so and ends: everything kept in
 * a text is small beside the tensors it tells of. */
#ifndef NNC_RUNTIME_TEXT_H
#define NNC_RUNTIME_TEXT_H
#include <stdarg.h>
#include <stddef.h>

typedef struct nnp_text {
    char *at;
    size_t n, room;
} nnp_text;

#ifdef __GNUC__
#define NNP_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define NNP_PRINTF(a, b)
#endif

void nnp_text_bytes(nnp_text *t, const void *bytes, size_t n);
void nnp_text_add(nnp_text *t, const char *s);
void nnp_text_char(nnp_text *t, char c);
void nnp_text_fill(nnp_text *t, char c, size_t n);
void nnp_text_printf(nnp_text *t, const char *format, ...) NNP_PRINTF(2, 3);
void nnp_text_vprintf(nnp_text *t, const char *format, va_list args) NNP_PRINTF(2, 0);
/* A quoted JSON string; a JSON number (NaN and infinities as strings, JSON has no names for them). */
void nnp_text_json(nnp_text *t, const char *s);
void nnp_text_json_number(nnp_text *t, double v);
/* A cell of a CSV file, quoted when it has to be. */
void nnp_text_csv(nnp_text *t, const char *s);
/* "Accuracy, by bits" -> "accuracy-by-bits", for file names; never empty. */
void nnp_text_slug(nnp_text *t, const char *s);
/* s, padded with blanks to `width` columns: at its right, or at its left when width is negative. */
void nnp_text_pad(nnp_text *t, const char *s, int width);
/* The text as it is (never NULL), and back to length 0. */
const char *nnp_text_str(const nnp_text *t);
void nnp_text_clear(nnp_text *t);
void nnp_text_free(nnp_text *t);
/* Columns of UTF-8 text on a terminal, escape sequences not counted. */
int nnp_text_width(const char *s);
/* malloc that does not return NULL. */
void *nnp_alloc(size_t n);
#endif
