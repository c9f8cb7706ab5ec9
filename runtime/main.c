/* The main function of a program, and the loop over its experiments. */
#include "session.h"
#include "file.h"
#include "mpi_rank.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one experiment ---- */

typedef struct frame { /* what a graph runs in */
    void **data;
    size_t **dim;
    void *workspace;
} frame;

static void frame_free(frame *f, const nnp_graph *g)
{
    for (int i = 0; i < g->ninput + g->noutput; i++) {
        if (f->data && i >= g->ninput)
            free(f->data[i]);
        if (f->dim)
            free(f->dim[i]);
    }
    free(f->data);
    free(f->dim);
    free(f->workspace);
}

static int frame_make(nnp_scope *c, frame *f, const nnp_experiment *e, const nnp_graph *g)
{
    const nnp_program *p = c->session->program;
    size_t n = (size_t)(g->ninput + g->noutput);
    f->data = nnp_alloc(sizeof *f->data * n);
    f->dim = nnp_alloc(sizeof *f->dim * n);
    for (int i = 0; i < (int)n; i++) {
        const nnp_data *d = i < g->ninput ? &p->dataset[e->input[i]] : NULL;
        const nnp_tensor *t = d ? &d->type : &g->output[i - g->ninput];
        f->dim[i] = nnp_alloc(sizeof t->dim);
        memcpy(f->dim[i], t->dim, sizeof t->dim);
        if (d)
            f->data[i] = (char *)(uintptr_t)c->session->data + d->offset;
        else if (!(f->data[i] = nnp_workspace(nnp_tensor_bytes(t))))
            return nnp_stop(c, NNP_SYSTEM, "out of memory");
    }
    f->workspace = nnp_workspace(g->workspace);
    if (!f->workspace)
        return nnp_stop(c, NNP_SYSTEM, "out of memory: %s needs %zu MB", e->name,
                        g->workspace >> 20);
    return 0;
}

static void count_claims(int n, int failed, nnp_text *o)
{
    if (!n)
        nnp_text_add(o, "no claims");
    else
        nnp_text_printf(o, "%d claim%s, %d ok", n, n == 1 ? "" : "s", n - failed);
    if (failed)
        nnp_text_printf(o, ", \033[1;31m%d failed\033[0m", failed);
}

static const char *status_of(int code, int failed)
{
    return code == NNP_INTERRUPTED ? "interrupted" : code ? "stopped" : failed ? "failed" : "ok";
}

static void close_experiment(nnp_session *s, nnp_scope *c)
{
    double seconds = nnp_now() - s->start;
    nnp_text line = {0};
    nnp_progress(s, NULL);
    nnp_text_add(&line, "  ");
    if (s->claims) {
        count_claims(s->claims, s->failed, &line);
        nnp_text_add(&line, ", ");
    }
    nnp_seconds_text(seconds, &line);
    nnp_text_add(&line, "\n\n");
    nnp_tell(c, NNP_SHOW, line.at, line.n);
    if (c->code && !s->rank)
        fprintf(stderr, "%s%s%s\n", strstr(c->error.at, "error: ") ? "" : s->program->name,
                strstr(c->error.at, "error: ") ? ""
                : c->code == NNP_INTERRUPTED   ? ": "
                                               : ": error: ",
                c->error.at);
    nnp_results_end(s, seconds, status_of(c->code, s->failed), c->code ? c->error.at : NULL);
    int code = c->code ? c->code : s->failed ? NNP_FAILED : NNP_OK;
    s->code = code > s->code ? code : s->code;
    nnp_text_free(&line);
}

static void run_experiment(nnp_session *s, const nnp_experiment *e)
{
    const nnp_graph *g = &s->program->graph[e->graph];
    nnp_scope scope = {.session = s};
    nnp_text head = {0};
    frame f = {0};
    nnp_results_begin(s, e);
    nnp_text_printf(&head, "\033[1m%s %s\033[0m\n", e->test ? "test" : "experiment", e->name);
    nnp_tell(&scope, NNP_SHOW, head.at, head.n);
    if (!frame_make(&scope, &f, e, g))
        nnp_graph_run(&scope, g, f.data, f.dim, f.workspace);
    close_experiment(s, &scope);
    frame_free(&f, g);
    nnp_text_free(&head);
    nnp_scope_free(&scope);
}

/* ---- a run ---- */

static void on_interrupt(int number)
{
    static const char text[] = "\ninterrupting; once more to stop at once\n";
    (void)number;
    nnp_interrupted = 1;
    if (isatty(STDERR_FILENO) && write(STDERR_FILENO, text, sizeof text - 1) < 0)
        return;
}

/* The experiments to run, in order; -1 when a name is unknown. */
static int chosen(const nnp_program *p, const nnp_options *o, int *list)
{
    int n = 0, experiments = 0;
    for (int i = 0; i < p->nexperiment; i++)
        experiments += !p->experiment[i].test;
    int tests = o->tests || !experiments;
    for (int i = 0; i < p->nexperiment && !o->nname; i++)
        if (!p->experiment[i].test == !tests)
            list[n++] = i;
    for (int k = 0; k < o->nname; k++) {
        int i = 0;
        while (i < p->nexperiment && strcmp(p->experiment[i].name, o->name[k]))
            i++;
        if (i == p->nexperiment) {
            fprintf(stderr, "%s: error: there is no experiment or test '%s'; --list shows them\n",
                    p->name, o->name[k]);
            return -1;
        }
        int have = 0;
        for (int j = 0; j < n; j++)
            have |= list[j] == i;
        if (!have)
            list[n++] = i;
    }
    return n;
}

static int open_data(nnp_session *s, size_t *mapped)
{
    const nnp_program *p = s->program;
    s->data = p->data;
    if (p->data || !p->data_file)
        return 0;
    nnp_text path = {0};
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    char *slash = strrchr(self, '/');
    if (p->data_file[0] != '/' && slash)
        nnp_text_bytes(&path, self, (size_t)(slash - self) + 1);
    nnp_text_add(&path, p->data_file);
    int bad = nnp_file_map(path.at, &s->data, mapped);
    if (bad || *mapped != p->data_bytes) {
        fprintf(stderr, "%s: error: the program's data '%s': %s\n", p->name, path.at,
                bad ? strerror(bad) : "the file does not belong to this program");
        bad = NNP_SYSTEM;
    }
    nnp_text_free(&path);
    return bad ? NNP_SYSTEM : 0;
}

static int core_count(void)
{
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set) && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}

static void resolve(nnp_session *s, const nnp_options *o, int any_experiment)
{
    s->options = *o;
    if (s->options.threads < 1)
        s->options.threads = core_count();
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    int dumb = !term || !strcmp(term, "dumb");
    if (s->options.color < 0)
        s->options.color = isatty(STDOUT_FILENO) && !(no && *no) && !dumb && !s->launched;
    s->progress = isatty(STDERR_FILENO) && !o->quiet && !dumb && !s->rank;
    nnp_text folder = {0};
    if (o->out && *o->out)
        nnp_text_add(&folder, o->out);
    else if (any_experiment)
        nnp_text_printf(&folder, "%s.results", s->program->name);
    while (folder.n > 1 && folder.at[folder.n - 1] == '/')
        folder.at[--folder.n] = 0;
    s->folder = folder.at;
}

static void summary(nnp_session *s, int done, int n, double seconds)
{
    nnp_text line = {0};
    if (s->rank)
        return;
    if (nnp_interrupted)
        nnp_text_add(&line, "interrupted: ");
    if (done < n)
        nnp_text_printf(&line, "%d of ", done);
    nnp_text_printf(&line, "%d %s%s: ", n, s->experiment->test ? "test" : "experiment",
                    n == 1 ? "" : "s");
    count_claims(s->all_claims, s->all_failed, &line);
    nnp_text_add(&line, ", ");
    nnp_seconds_text(seconds, &line);
    if (s->folder && !s->trouble.n)
        nnp_text_printf(&line, "; results in %s", s->folder);
    nnp_text_char(&line, '\n');
    nnp_scope scope = {.session = s};
    nnp_tell(&scope, NNP_WARN, line.at, line.n);
    if (s->trouble.n) {
        fprintf(stderr, "%s: error: %s\n", s->program->name, s->trouble.at);
        s->code = s->code > NNP_SYSTEM ? s->code : NNP_SYSTEM;
    }
    nnp_text_free(&line);
}

static void session_free(nnp_session *s, size_t mapped)
{
    if (mapped)
        nnp_file_unmap(s->data, mapped);
    nnp_text *all[] = {&s->json_claims, &s->json_tables, &s->json_files,
                       &s->json_done,   &s->used,        &s->trouble};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        nnp_text_free(all[i]);
    free(s->timer);
    free(s->folder);
    pthread_mutex_destroy(&s->lock);
}

int nnp_run(const nnp_program *p, const nnp_options *o)
{
    int *list = nnp_alloc(sizeof *list * (size_t)(p->nexperiment + 1)), n = chosen(p, o, list);
    size_t mapped = 0;
    nnp_session s = {.program = p, .ranks = 1};
    if (n <= 0) {
        if (!n)
            fprintf(stderr, "%s: error: the program has no experiment\n", p->name);
        free(list);
        return NNP_USAGE;
    }
    pthread_mutex_init(&s.lock, NULL);
    nnp_rank_begin(&s);
    s.timer = nnp_alloc(sizeof *s.timer * (size_t)p->nhost);
    int any = 0;
    for (int i = 0; i < n; i++)
        any |= !p->experiment[list[i]].test;
    resolve(&s, o, any);
    struct sigaction act = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}, old;
    nnp_interrupted = 0;
    sigaction(SIGINT, &act, &old); /* a second Ctrl-C ends it the hard way */
    s.code = open_data(&s, &mapped);
    double start = nnp_now();
    int opened = !s.code, done = 0;
    while (done < n && opened && !nnp_interrupted) {
        run_experiment(&s, &p->experiment[list[done++]]);
        if (s.ranks > 1 && s.code > NNP_FAILED)
            break; /* ranks may be out of step */
    }
    if (s.experiment)
        summary(&s, done, n, nnp_now() - start);
    sigaction(SIGINT, &old, NULL);
    int code = s.code;
    if (code > NNP_FAILED)
        nnp_rank_abort(&s, code); /* the other ranks may wait for this one */
    session_free(&s, mapped);
    free(list);
    return code;
}

/* ---- arguments ---- */

static void help(const nnp_program *p)
{
    printf("usage: %s [NAME..] [options]\n\n"
           "Run experiments and tests by name; without a name, all experiments.\n\n"
           "  --list         what there is\n"
           "  --test         all tests instead\n"
           "  --threads=N    threads for sweeps (default: one per core)\n"
           "  --out=DIR      results folder (default: %s.results)\n"
           "  --quiet        failed claims and the summary only\n"
           "  --no-color     no colours (also: NO_COLOR=1)\n\n"
           "Exit status: 0 all claims hold, 1 a claim failed, 2 wrong usage, 4 the program or the "
           "system failed.\n",
           p->name, p->name);
}

static int list_all(const nnp_program *p)
{
    for (int i = 0; i < p->nexperiment; i++)
        printf("%-10s  %s\n", p->experiment[i].test ? "test" : "experiment", p->experiment[i].name);
    return NNP_OK;
}

/* The value of "--name=value" or "--name value"; NULL when it is another option. */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n))
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    return !argv[*i][n] && *i + 1 < argc ? argv[++*i] : NULL;
}

static int wrong(const nnp_program *p, const char *what, const char *arg)
{
    fprintf(stderr, "%s: error: %s '%s' (see --help)\n", p->name, what, arg);
    return NNP_USAGE;
}

int nnp_main(const nnp_program *p, int argc, char **argv)
{
    const char **name = nnp_alloc(sizeof *name * (size_t)(argc + 1)), *v;
    nnp_options o = {.color = -1, .name = name};
    int code = -1;
    for (int i = 1; i < argc && code < 0; i++) {
        char *end;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            help(p);
            code = NNP_OK;
        } else if (!strcmp(argv[i], "--list")) {
            code = list_all(p);
        } else if (!strcmp(argv[i], "--test")) {
            o.tests = 1;
        } else if (!strcmp(argv[i], "--quiet") || !strcmp(argv[i], "-q")) {
            o.quiet = 1;
        } else if (!strcmp(argv[i], "--no-color") || !strcmp(argv[i], "--color")) {
            o.color = argv[i][2] == 'c';
        } else if ((v = value_of("--out", argc, argv, &i)) != NULL) {
            o.out = v;
        } else if ((v = value_of("--threads", argc, argv, &i)) != NULL) {
            long n = strtol(v, &end, 10);
            if (end == v || *end || n < 1 || n > 1024)
                code = wrong(p, "--threads: expected a number from 1 to 1024, found", v);
            o.threads = (int)n;
        } else if (argv[i][0] == '-') {
            code = wrong(p, "unknown option, or its value is missing:", argv[i]);
        } else {
            name[o.nname++] = argv[i];
        }
    }
    if (code < 0)
        code = nnp_run(p, &o);
    free(name);
    return code;
}
