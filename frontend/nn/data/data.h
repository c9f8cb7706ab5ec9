/* frontend/nn/data/data.h - the readers of the language: files as trees of tensors and strings.
 *
 * A reader gets the path as the program names it, relative to the folder of its `.nn` file.  Every mistake is one
 * diagnostic that names the file and the place in it (line and column of texts, offset or entry of binaries), with a note
 * at the reader's call.  Damaged files never crash: sizes are checked against the file before memory is taken.
 * Files ending in .gz (in truth: starting with gzip's magic bytes) are unpacked, whatever the format.
 *
 * Numbers of texts are weak: i64 when all of them are whole, else f64.  Numbers of binary files have the file's dtype. */
#ifndef NNC_FRONTEND_NN_DATA_H
#define NNC_FRONTEND_NN_DATA_H
#include "frontend/nn/data/strings.h"
#include "ir/base/diag.h"

typedef enum { NN_DATA_tensor, NN_DATA_strings, NN_DATA_record, NN_DATA_list } nn_data_kind;
typedef struct nn_data {
    nn_data_kind kind;
    bool weak;          /* tensor: i64 or f64 whose dtype is still open */
    nnc_tensor tensor;  /* data aligned to 16 bytes, in the reader's arena */
    nn_strings strings; /* rank 0: one string */
    uint32_t n;         /* record, list */
    const struct nn_data *child;
    const nnc_sym *name; /* record: of each child, in the file's order */
} nn_data;

typedef struct nn_reader {
    nnc_arena *arena;
    nnc_diag *diag;
    nnc_intern *names;
    const char *dir; /* with a slash at its end, or "": relative paths start here */
    nnc_loc call;    /* where the program asks for the file */
} nn_reader;

/* One entry of `columns = (x = 0..64, y = 64, z = "age")`: columns [first, end), or the column of that title. */
typedef struct nn_column {
    nnc_sym name;
    int64_t first, end;
    bool range; /* a..b: the tensor keeps an axis for its columns; else it has one axis, the rows */
    bool text;  /* keep as strings: `columns = ["table", "text"]` names columns in order, as text */
    const char *title; /* NULL, or look for this one in the header */
} nn_column;
typedef struct nn_table_options {
    char separator; /* ',' or '\t' */
    bool header;    /* the first line holds titles */
    unsigned
        n; /* 0: without header all columns as one tensor [rows, columns]; with header a record by title */
    const nn_column *column;
} nn_table_options;

/* IDX (MNIST): one tensor. */
nnc_status nn_read_idx(const nn_reader *r, const char *path, nn_data *out);
/* Columns are numbers, or strings when a cell is none (or when asked for).  csv: quotes as in RFC 4180; a quoted cell may
 * span lines.  tsv: no quotes.  Blank lines are skipped; a line with too few or too many cells is an error. */
nnc_status nn_read_table(const nn_reader *r, const char *path, const nn_table_options *o,
                         nn_data *out);
nnc_status nn_read_npy(const nn_reader *r, const char *path, nn_data *out);
/* Records; dots in a name make nested records: "enc.w" is r.enc.w. */
nnc_status nn_read_npz(const nn_reader *r, const char *path, nn_data *out);
nnc_status nn_read_safetensors(const nn_reader *r, const char *path, nn_data *out);
/* Strings [lines], without their line ends.  skip: NULL, or a POSIX extended expression; lines whose start it matches are
 * left out. */
nnc_status nn_read_lines(const nn_reader *r, const char *path, const char *skip, nn_data *out);
/* Objects are records, numbers weak scalars, lists of equal shapes weak tensors or strings, other lists static lists.
 * `null` has no meaning as a tensor and is an error. */
nnc_status nn_read_json(const nn_reader *r, const char *path, nn_data *out);
/* u8[size], as the file is (.gz is unpacked). */
nnc_status nn_read_bytes(const nn_reader *r, const char *path, nn_data *out);

/* ---- for the files of this folder, and for fuzzing ---- */

typedef struct nn_bytes {
    const char *path; /* for messages */
    const unsigned char *at;
    size_t n;
} nn_bytes;
/* The whole file, unpacked if it is gzip's; mapped until the arena ends. */
nnc_status nn_bytes_read(const nn_reader *r, const char *path, nn_bytes *out);
nnc_status nn_bytes_unpack(const nn_reader *r, nn_bytes *b);
/* An error in `b`, with the note.  nn_bytes_fail: of the file as such; _at: at byte `at` of a text. */
nnc_status nn_bytes_fail(const nn_reader *r, const nn_bytes *b, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
nnc_status nn_bytes_fail_at(const nn_reader *r, const nn_bytes *b, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
nnc_status nn_idx_parse(const nn_reader *r, const nn_bytes *b, nn_data *out);
nnc_status nn_table_parse(const nn_reader *r, const nn_bytes *b, const nn_table_options *o,
                          nn_data *out);
nnc_status nn_npy_parse(const nn_reader *r, const nn_bytes *b, nn_data *out);
nnc_status nn_npz_parse(const nn_reader *r, const nn_bytes *b, nn_data *out);
nnc_status nn_safetensors_parse(const nn_reader *r, const nn_bytes *b, nn_data *out);
nnc_status nn_lines_parse(const nn_reader *r, const nn_bytes *b, const char *skip, nn_data *out);
nnc_status nn_json_parse(const nn_reader *r, const nn_bytes *b, nn_data *out);
#endif
