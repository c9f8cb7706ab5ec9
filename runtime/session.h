/* runtime/session.h - one run of a program: what host calls share.  Private to runtime/.
 *
 * Nothing is shown or written by a host call itself: it *tells* its scope.  The scope of an experiment hands that on to
 * the session at once (rank 0 shows and writes it, other ranks only count claims); the scope of a point of a sweep keeps
 * it, and the sweep retells the points in the order of the grid. */
#ifndef NNC_RUNTIME_SESSION_H
#define NNC_RUNTIME_SESSION_H
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include "host.h"
#include "text.h"

typedef enum nnp_tale {
    NNP_SHOW,   /* text for the terminal, with colours */
    NNP_WARN,   /* the same, shown even when quiet */
    NNP_LOG,    /* fields of a JSON object for the log: "loss": 0.1 */
    NNP_HOLDS,  /* a claim as a JSON object */
    NNP_FAILS,  /* one that failed */
    NNP_RESULT, /* a table as a JSON object */
    NNP_FILE,   /* title, 0, name, 0, bytes; a title that is not empty is shown with the path */
} nnp_tale;

typedef struct nnp_timer { /* of one report */
    double start;
    int64_t first, last;
} nnp_timer;

typedef struct nnp_session {
    const nnp_program *program;
    nnp_options options; /* threads, color resolved */
    const void *data;
    int rank, ranks; /* MPI; 0 of 1 without */
    int launched;    /* by mpirun, whose pseudo-terminals are none */
    const nnp_experiment *experiment;
    double start;               /* of the experiment, seconds */
    int claims, failed;         /* of the experiment */
    int all_claims, all_failed; /* of the run */
    nnp_text json_claims, json_tables, json_files, json_done;
    char *folder; /* of results, or NULL */
    FILE *log;
    nnp_text used;                /* file names of this experiment, each ended by a newline */
    nnp_timer *timer;             /* [nhost] */
    int progress, progress_shown; /* is there a terminal to show it on; is a line there now */
    double progress_time;
    int blank;            /* the last thing shown ended with an empty line */
    pthread_mutex_t lock; /* of the progress line */
    int code;             /* the worst exit code so far */
    nnp_text trouble;     /* why a file could not be written, told once */
} nnp_session;

typedef struct nnp_scope {
    nnp_session *session;
    const struct nnp_scope *up; /* of the sweep this point belongs to */
    nnp_text told;              /* by a point: tale (1 byte), length (8), bytes */
    nnp_text place, place_json; /* "w = 4, seed = 3" */
    int code;                   /* why it has to stop: an exit code, or 0 */
    nnp_text error;             /* and in words */
} nnp_scope;

void nnp_tell(nnp_scope *c, nnp_tale tale, const void *bytes, size_t n);
void nnp_retell(nnp_scope *c, const nnp_text *told);
void nnp_scope_free(nnp_scope *c);
/* Notes why the scope stops and gives `code` back; the first reason stays. */
int nnp_stop(nnp_scope *c, int code, const char *format, ...) NNP_PRINTF(3, 4);
/* Set by Ctrl-C. */
extern volatile sig_atomic_t nnp_interrupted;
int nnp_stop_asked(nnp_scope *c); /* notes it, gives the code or 0 */

/* A transient line on a terminal; NULL takes it away.  At most some ten a second are shown, unless it is `last`. */
void nnp_progress(nnp_session *s, const char *line);
double nnp_now(void);                           /* seconds, monotonic */
void nnp_seconds_text(double s, nnp_text *out); /* "3.2 s", "4 min 10 s" */

/* The host call of a graph that runs in scope `c`. */
nnp_host nnp_host_of(nnp_scope *c);
/* Run graph `g`.  data: inputs, then outputs; their sizes.  0, or the code noted in the scope. */
int nnp_graph_run(nnp_scope *c, const nnp_graph *g, void *const *data, size_t *const *dim,
                  void *workspace);
/* 64-byte aligned memory from malloc, or NULL. */
void *nnp_workspace(size_t bytes);
size_t nnp_tensor_bytes(const nnp_tensor *t);

/* One function per kind of host op. */
typedef int nnp_host_fn(nnp_scope *c, const nnp_host_op *op, void *const *data,
                        const size_t *const *dim);
nnp_host_fn nnp_do_report, nnp_do_print, nnp_do_table, nnp_do_plot, nnp_do_save, nnp_do_claim,
    nnp_do_assert, nnp_do_sweep, nnp_do_seconds;

/* results.c: the results folder and results.json */
void nnp_results_begin(nnp_session *s, const nnp_experiment *e);
void nnp_results_file(nnp_session *s, const char *bytes, size_t n); /* of an NNP_FILE */
void nnp_results_log(nnp_session *s, const char *fields);
void nnp_results_end(nnp_session *s, double seconds, const char *status, const char *error);
#endif
