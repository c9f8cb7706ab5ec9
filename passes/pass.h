/* passes/pass.h - the pass manager: one row per pass in passes.def, one function per row.
 *
 * The manager verifies before and after every pass, prints when asked, counts, and under `check` runs the interpreter
 * on random inputs before and after a pass and compares (translation validation). */
#ifndef NNC_PASSES_PASS_H
#define NNC_PASSES_PASS_H
#include <stdio.h>
#include "ir/module.h"
#include "ir/target.h"

/* Which Winograd tiles convolutions may have. */
typedef enum nnc_winograd {
    NNC_WINOGRAD_AUTO, /* where it pays, and by NNC_WINOGRAD_ERROR */
    NNC_WINOGRAD_OFF,
    NNC_WINOGRAD_2, /* F(2x2, 3x3) where it pays */
    NNC_WINOGRAD_4  /* F(4x4, 3x3) or F(2x2, 3x3) where it pays */
} nnc_winograd;

/* What `auto` allows: the largest rounding error of a channel over its largest output, measured with the layer's own
 * weights and random inputs.  Direct sums have 0.4e-6 (16 channels) to 1.5e-6 (512). */
#define NNC_WINOGRAD_ERROR 5e-6

/* What was chosen. */
typedef struct nnc_winograd_report {
    unsigned f2, f4;        /* convolutions */
    uint64_t direct, bytes; /* their weights before and after */
    double error;           /* the largest, as above */
} nnc_winograd_report;

typedef struct nnc_options {
    const nnc_target *target;
    uint64_t max_ram; /* bytes of arena allowed; 0: no limit */
    int threads;      /* split kernels for so many; below 2: not at all */
    bool fast;        /* apply FAST rules (wrong for nan, inf, -0) */
    bool fast_assoc;  /* apply FAST_ASSOC rules (reassociation) */
    nnc_winograd winograd;
    nnc_winograd_report *winograd_report; /* added to when there */
    const char *passes;                   /* comma list instead of the default pipeline, or NULL */
    const char *print_before,
        *print_after; /* comma lists of pass names, or "all", or NULL; text to stderr */
    bool stats;       /* a line per pass: time, ops before and after, changes */
    bool check;       /* translation validation */
    uint64_t check_seed;
} nnc_options;

typedef struct nnc_pass_cx {
    nnc_module *m;
    nnc_arena *scratch; /* emptied after each pass */
    const nnc_options *opt;
    double work;      /* scalar operations done at compile time so far: pass fold */
    unsigned changed; /* passes add the number of things they did */
} nnc_pass_cx;

typedef nnc_status (*nnc_pass_fn)(nnc_pass_cx *cx); /* works on the whole module */
#define PASS(name, before, after, doc) nnc_status nnc_pass_##name(nnc_pass_cx *cx);
#include "passes/passes.def"

typedef struct nnc_pass_info {
    const char *name;
    uint8_t before, after; /* levels (NNC_LEVEL_G, NNC_LEVEL_K) of the entry function */
    const char *doc;
    nnc_pass_fn run;
} nnc_pass_info;
extern const nnc_pass_info nnc_pass_infos[];
extern const unsigned nnc_pass_count;

/* The default pipeline, or opt->passes.  Ends with K code planned and ready for an emitter. */
nnc_status nnc_passes_run(nnc_module *m, const nnc_options *opt);
/* A part of the default pipeline: only the G-to-G clean-up (for ONNX and report output), in place. */
nnc_status nnc_passes_clean(nnc_module *m, const nnc_options *opt);
#endif
