/* frontend/cli/cli.h - what the commands of nnc share.
 *
 * Exit codes: 0 done, 1 the input is wrong or unsupported (a diagnostic says why), 2 wrong usage, 3 a comparison
 * failed, 4 the system failed (no compiler, disk full, out of memory). */
#ifndef NNC_FRONTEND_CLI_H
#define NNC_FRONTEND_CLI_H
#include "codegen/emit.h"
#include "ir/interp.h"
#include "passes/pass.h"

enum { CLI_OK = 0, CLI_INPUT = 1, CLI_USAGE = 2, CLI_DIFFERS = 3, CLI_SYSTEM = 4 };

typedef struct cli_list {
    const char **at;
    unsigned n;
} cli_list;
typedef struct cli_options {
    const char *command; /* build, info, run, check, test, fmt, doc, ops */
    char letter;
    const char *file; /* the model */
    cli_list output, dim, input, outputs, against, set, names;
    const char *emit, *name, *target, *weights, *cc, *cflags, *repeat, *rtol, *seed, *passes,
        *print_before, *print_after, *threads, *results, *winograd;
    bool portable, reproducible, check_only, fast, native, interpret, json, check_passes, stats,
        quiet;
    uint64_t max_ram;
} cli_options;

typedef struct cli {
    nnc_arena *arena;
    nnc_diag *diag;
    cli_options opt;
    nnc_options pass; /* from opt */
    nnc_winograd_report winograd;
    const struct nnc_onnx_bound *bound; /* --dim, read; opt.dim.n of them */
    const char *exported;               /* the function of a .nn file that is compiled */
    const char *writing;                /* the output being made; C names follow it */
} cli;

/* options.c: 0, or an exit code after a message. */
int cli_parse(cli *c, int argc, char **argv);
void cli_help(const char *command);
/* A message about usage or the system, in the form of a diagnostic; returns `code`. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* load.c */
int cli_parse_dims(cli *c);                     /* exit code */
nnc_module *cli_load(cli *c, const char *path); /* NULL after diagnostics */
nnc_status cli_lower(cli *c, nnc_module *m);    /* to planned K; does nothing when m is K already */
const char *cli_model_name(
    cli *c); /* a C identifier: --name, else the output's or the model's file name */

/* output.c: files appear complete or not at all, also after Ctrl-C. */
bool cli_is_device(const char *path); /* there, and neither a file nor a folder: /dev/null */
const char *cli_temp(
    cli *c, const char *final); /* a fresh name beside `final`, remembered; a device: itself */
FILE *cli_create(cli *c, const char *final, const char **temp);
int cli_commit(cli *c);           /* rename everything remembered; exit code */
const char *cli_temp_dir(cli *c); /* removed at exit */
void cli_cleanup(void);
void cli_catch_signals(void);

/* program.c */
typedef enum { CLI_OBJECT, CLI_SHARED, CLI_PROGRAM } cli_binary;
/* header: where its header goes, or NULL for none. */
int cli_build_binary(cli *c, nnc_module *m, cli_binary kind, const char *out, const char *header,
                     bool native);
nnc_emit_options cli_emit_options(cli *c, bool describe);
/* spawn.c: run argv, wait; its exit code, or -1 when it cannot start.  quiet: its stdout goes nowhere. */
int cli_spawn(const char *dir, const char *const *argv, const char *stdout_path);
void cli_end_child(void); /* from the signal handler */

/* vectors.c */
nnc_status cli_read_npy(cli *c, const char *path, nnc_tensor *out);
nnc_status cli_write_npy(cli *c, const char *path, const nnc_tensor *t);

/* run.c: line i of the names in an attribute [input] or [output] */
const char *cli_name_at(cli *c, const nnc_module *m, nnc_op graph, nnc_word key, unsigned i);

/* commands */
int cli_build(cli *c);
int cli_info(cli *c);
int cli_run(cli *c);
int cli_check(cli *c);
int cli_ops(cli *c);
int cli_fmt(cli *c);
int cli_doc(cli *c);

/* nn.c: the same commands for programs in the .nn language */
bool cli_is_nn(const char *path);
nnc_module *cli_nn_load(cli *c, const char *path); /* its exported function */
bool cli_nn_is_program(cli *c);                    /* no exports, but experiments */
int cli_nn_program(cli *c, const char *out);       /* them as an executable */
int cli_nn_check(cli *c);
int cli_nn_run(cli *c, bool tests);

/* progress.c: a line on a terminal's stderr once a command takes more than a second. */
void cli_progress(const cli *c, const char *stage);
void cli_progress_end(void);
#endif
