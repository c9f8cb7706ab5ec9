/* Kernels that threads share.
 *
 * Such a kernel has two more parameters, `part` and `parts`, and its parallel loops run over their share; the entry packs
 * the arguments into a struct and hands it, with a function that calls the kernel for one part, to whoever runs parts:
 * `inputs->parallel`, a pair of the user's own context and function, or the pool printed here, which lies in the
 * caller's memory.  Everything but the pool is C99. */
#include "codegen/c/c.h"
#include <string.h>

static bool has_parallel_loop(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_for &&
            nnc_attr_word(m, op, NNC_W_kind, NNC_W_serial) == NNC_W_parallel)
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (has_parallel_loop(m, nnc_op_region(m, op, r)))
                return true;
    }
    return false;
}

bool c_is_parallel(const nnc_module *m, nnc_op kernel)
{
    return !nnc_attr_int(m, kernel, NNC_W_entry, 0) &&
           has_parallel_loop(m, nnc_op_region(m, kernel, 0));
}

/* Consecutive loops are split from alternate ends, so that their left-over iterations do not meet in one part. */
void c_parallel_loop(c_cgen *g, nnc_op op)
{
    nnc_block body = nnc_op_region(g->m, op, 0);
    nnc_value var = nnc_block_arg(g->m, body, 0);
    const char *round = g->splits++ % 2 ? "0" : "parts - 1";
    int64_t start = 0;

    if (!*nnc_value_name(g->m, var))
        nnc_value_set_name(g->m, var, "i");
    const char *i = c_name(g, var), *end = nnc_names_put(g->locals, c_fmt(g, "%s_end", i));
    const char *lo = c_operand(g, nnc_op_in(g->m, op, 0), C_ADD),
               *hi = c_operand(g, nnc_op_in(g->m, op, 1), C_ADD), *n = hi, *base = "";
    if (!nnc_value_idx(g->m, nnc_op_in(g->m, op, 0), &start) || start) {
        n = c_fmt(g, "%s - %s", hi, c_operand(g, nnc_op_in(g->m, op, 0), C_MUL));
        base = c_fmt(g, "%s + ", lo);
    }
    nnc_out_line(g->o, "const ptrdiff_t %s = %sshare(%s, part + 1, parts, %s);", end, base, n,
                 round);
    nnc_out_open(g->o, "for (ptrdiff_t %s = %sshare(%s, part, parts, %s); %s < %s; %s++)", i, base,
                 n, round, i, end, i);
    c_block(g, body);
    nnc_out_close(g->o);
}

void c_parallel_job(c_cgen *g, nnc_op func, FILE *f)
{
    nnc_block b = nnc_op_region(g->m, func, 0);
    const char *name = g->function[func.id];
    nnc_out o = {.f = f};

    g->a = nnc_arena_new();
    c_begin_function(g, func, &o, C_COMMON);
    memset(g->ident, 0, g->m->value.n * sizeof *g->ident);
    fprintf(f, "\nstruct %s_job {\n    ptrdiff_t parts;\n", name);
    const char *args = "";
    for (unsigned i = 0; i < nnc_block_narg(g->m, b); i++) {
        nnc_value v = nnc_block_arg(g->m, b, i);
        const char *type = c_scalar(c_dtype(g, v)), *pointer = "";
        if (nnc_value_ty(g->m, v)->kind == NNC_TYPE_buffer) {
            type = c_fmt(g, "%s%s", c_param_written(g, func, i) ? "" : "const ",
                         c_storage(c_dtype(g, v)));
            pointer = "*";
        }
        fprintf(f, "    %s %sa%u;\n", type, pointer, i);
        args = c_fmt(g, "%sjob->a%u, ", args, i);
    }
    fprintf(f, "};\n\nstatic void %s_part(void *data, int part)\n{\n", name);
    fprintf(f, "    const struct %s_job *const job = (const struct %s_job *)data;\n\n", name, name);
    fprintf(f, "    %s(%spart, job->parts);\n}\n", name, args);
    nnc_arena_free(g->a);
    g->a = g->root;
}

void c_parallel_call(c_cgen *g, nnc_op callee, const char *args)
{
    const char *name = g->function[callee.id];

    if (g->func.id != g->entry.id) {
        nnc_out_line(g->o, "%s(%s, 0, 1);", name, args);
        return;
    }
    nnc_out_line(g->o, "{");
    nnc_out_line(g->o, "    struct %s_job job = {parts, %s};", name, args);
    nnc_out_line(g->o, "    run_parts(inputs->parallel, (int)parts, %s_part, &job);", name);
    nnc_out_line(g->o, "}");
}

/* ---- fixed texts: NET_ and net_ stand for the model's name ---- */

const char *const c_parallel_names[] = {"run_parts",  "share",     "pool_publish", "pool",
                                        "pool_wait",  "pool_part", "pool_run",     "pool_thread",
                                        "pool_pause", NULL};

static const char types[] =
    "/* Who runs the parts of a kernel: run calls part(job, i) once for every i below `parts`, in "
    "any\n"
    " * order or at the same time, and returns when all are done. Results do not depend on "
    "`threads`. */\n"
    "typedef struct net_parallel {\n"
    "    void *context;\n"
    "    void (*run)(void *context, int parts, void (*part)(void *job, int index), void *job);\n"
    "    int threads; /* parts of a kernel; below 2: none, run is not called */\n"
    "} net_parallel;\n\n"
    "#ifndef NET_NO_PTHREADS\n"
    "/* Threads that wait for parts, in memory of the caller; one pool serves one run at a time (a "
    "second run\n"
    " * at the same time does its parts itself). */\n"
    "#define NET_POOL_THREADS 64 /* at most, the caller included */\n"
    "typedef struct net_pool {\n"
    "    net_parallel parallel; /* for the inputs: in.parallel = &pool.parallel */\n"
    "    union {\n        void *pointer;\n        long long number;\n        unsigned char "
    "bytes[4096];\n    } "
    "memory;\n"
    "} net_pool;\n"
    "int net_pool_start(net_pool *pool, int threads); /* NET_OK, or NET_ERR_ARGUMENT: there are "
    "none */\n"
    "void net_pool_stop(net_pool *pool);\n"
    "#endif\n\n";

static const char shares[] =
    "\n/* Where part p of n iterations begins; `round`: 0 or parts - 1. */\n"
    "static ptrdiff_t share(ptrdiff_t n, ptrdiff_t p, ptrdiff_t parts, ptrdiff_t round)\n{\n"
    "    return (n * p + round) / parts;\n}\n\n"
    "static void run_parts(const net_parallel *p, int parts, void (*part)(void *, int), void "
    "*job)\n{\n"
    "    if (parts > 1)\n        p->run(p->context, parts, part, job);\n    else\n        "
    "part(job, 0);\n}\n";

static const char pool[] =
    "\n#ifndef NET_NO_PTHREADS\n"
    "#include <pthread.h>\n#include <stdatomic.h>\n"
    "#ifndef NET_POOL_SPIN\n#define NET_POOL_SPIN 1000 /* looks before a thread sleeps: some 50 us "
    "*/\n#endif\n"
    "#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))\n"
    "#define pool_pause() __builtin_ia32_pause()\n"
    "#elif defined(__GNUC__) && defined(__aarch64__)\n"
    "#define pool_pause() __asm__ volatile(\"yield\")\n"
    "#else\n#define pool_pause() ((void)0)\n#endif\n\n"
    "/* A job is published by adding to `turn`; `left` counts the threads still at it.  Who finds "
    "nothing to do\n"
    " * looks for a while, then sleeps. */\n"
    "struct pool {\n"
    "    pthread_mutex_t lock;\n    pthread_cond_t wake, done;\n"
    "    atomic_uint turn;\n    atomic_int left;\n    atomic_flag busy;\n"
    "    int threads, sleeping, parts, stop;\n"
    "    void (*part)(void *, int);\n    void *job;\n"
    "    struct pool_thread {\n        pthread_t id;\n        struct pool *pool;\n        int "
    "index;\n"
    "    } thread[NET_POOL_THREADS];\n};\n"
    "_Static_assert(sizeof(struct pool) <= sizeof(((net_pool *)0)->memory), \"the pool's "
    "memory\");\n\n"
    "static void pool_part(const struct pool *p, int index)\n{\n"
    "    for (int i = index; i < p->parts; i += p->threads)\n        p->part(p->job, i);\n}\n\n"
    "static unsigned pool_wait(struct pool *p, unsigned seen)\n{\n"
    "    for (int i = 0; i < NET_POOL_SPIN; i++) {\n"
    "        if (atomic_load_explicit(&p->turn, memory_order_acquire) != seen)\n            return "
    "seen + 1;\n"
    "        pool_pause();\n    }\n"
    "    pthread_mutex_lock(&p->lock);\n    p->sleeping++;\n"
    "    while (atomic_load_explicit(&p->turn, memory_order_acquire) == seen)\n"
    "        pthread_cond_wait(&p->wake, &p->lock);\n"
    "    p->sleeping--;\n    pthread_mutex_unlock(&p->lock);\n    return seen + 1;\n}\n\n"
    "static void *pool_thread(void *data)\n{\n"
    "    const struct pool_thread *const t = (const struct pool_thread *)data;\n"
    "    struct pool *const p = t->pool;\n\n"
    "    for (unsigned seen = 0;;) {\n"
    "        seen = pool_wait(p, seen);\n"
    "        if (p->stop)\n            return NULL;\n"
    "        pool_part(p, t->index);\n"
    "        if (atomic_fetch_sub_explicit(&p->left, 1, memory_order_acq_rel) == 1) {\n"
    "            pthread_mutex_lock(&p->lock);\n            pthread_cond_signal(&p->done);\n"
    "            pthread_mutex_unlock(&p->lock);\n        }\n    }\n}\n\n"
    "static void pool_publish(struct pool *p)\n{\n"
    "    atomic_fetch_add_explicit(&p->turn, 1, memory_order_release);\n"
    "    pthread_mutex_lock(&p->lock);\n"
    "    if (p->sleeping)\n        pthread_cond_broadcast(&p->wake);\n"
    "    pthread_mutex_unlock(&p->lock);\n}\n\n"
    "static void pool_run(void *context, int parts, void (*part)(void *, int), void *job)\n{\n"
    "    struct pool *const p = (struct pool *)context;\n\n"
    "    if (atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire)) {\n"
    "        for (int i = 0; i < parts; i++)\n            part(job, i);\n        return;\n    }\n"
    "    p->part = part;\n    p->job = job;\n    p->parts = parts;\n"
    "    atomic_store_explicit(&p->left, p->threads - 1, memory_order_relaxed);\n"
    "    pool_publish(p);\n    pool_part(p, 0);\n"
    "    for (int i = 0; i < NET_POOL_SPIN && atomic_load_explicit(&p->left, "
    "memory_order_acquire); i++)\n"
    "        pool_pause();\n"
    "    if (atomic_load_explicit(&p->left, memory_order_acquire)) {\n"
    "        pthread_mutex_lock(&p->lock);\n"
    "        while (atomic_load_explicit(&p->left, memory_order_acquire))\n"
    "            pthread_cond_wait(&p->done, &p->lock);\n"
    "        pthread_mutex_unlock(&p->lock);\n    }\n"
    "    atomic_flag_clear_explicit(&p->busy, memory_order_release);\n}\n\n"
    "int net_pool_start(net_pool *pool, int threads)\n{\n"
    "    if (!pool || threads < 1 || threads > NET_POOL_THREADS)\n        return "
    "NET_ERR_ARGUMENT;\n"
    "    struct pool *const p = (struct pool *)(void *)&pool->memory;\n"
    "    pthread_mutex_init(&p->lock, NULL);\n    pthread_cond_init(&p->wake, NULL);\n"
    "    pthread_cond_init(&p->done, NULL);\n"
    "    atomic_init(&p->turn, 0);\n    atomic_init(&p->left, 0);\n    "
    "atomic_flag_clear(&p->busy);\n"
    "    p->sleeping = p->stop = 0;\n    p->threads = 1;\n"
    "    pool->parallel.context = p;\n    pool->parallel.run = pool_run;\n"
    "    pool->parallel.threads = threads;\n"
    "    for (int i = 1; i < threads; i++) {\n"
    "        p->thread[i] = (struct pool_thread){.pool = p, .index = i};\n"
    "        if (pthread_create(&p->thread[i].id, NULL, pool_thread, &p->thread[i])) {\n"
    "            net_pool_stop(pool);\n            return NET_ERR_ARGUMENT;\n        }\n"
    "        p->threads = i + 1; /* read by others only after the first job is published */\n    "
    "}\n"
    "    return NET_OK;\n}\n\n"
    "void net_pool_stop(net_pool *pool)\n{\n"
    "    struct pool *const p = (struct pool *)(void *)&pool->memory;\n\n"
    "    p->stop = 1;\n    pool_publish(p);\n"
    "    for (int i = 1; i < p->threads; i++)\n        pthread_join(p->thread[i].id, NULL);\n"
    "    pthread_mutex_destroy(&p->lock);\n    pthread_cond_destroy(&p->wake);\n"
    "    pthread_cond_destroy(&p->done);\n    pool->parallel.threads = 1;\n}\n"
    "#endif\n";

/* The text with the model's prefixes. */
static void put(const c_cgen *g, FILE *f, const char *s)
{
    for (; *s; s++) {
        bool start = strchr(" (*[\n#", s[0]) != NULL;
        fputc(*s, f);
        if (start && !strncmp(s + 1, "net_", 4)) {
            fprintf(f, "%s", g->name);
            s += 3;
        } else if (start && !strncmp(s + 1, "NET_", 4)) {
            fprintf(f, "%s", g->upper);
            s += 3;
        }
    }
}

void c_parallel_types(c_cgen *g, FILE *f)
{
    put(g, f, types);
}

void c_parallel_pool(c_cgen *g, FILE *f)
{
    if (g->shared)
        put(g, f, shares);
    put(g, f, pool);
}
