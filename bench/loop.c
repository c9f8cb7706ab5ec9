/* bench/loop.c - the timing loops of the benchmark: each calls an engine n times and returns the
 * processor time of the whole process in seconds, so that a thread an engine hides is paid for.
 *
 * A loop in C keeps the interpreter that drives the benchmark out of the figures: the smallest
 * network runs in ten microseconds, which is what one call from Python costs. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef void *ptr;

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* net_run of a library made by nnc; a status other than 0 gives a negative result */
double bench_nnc(int (*run)(const void *, const void *, void *), const void *in, const void *out,
                 void *workspace, long n)
{
    double start = cpu_seconds();

    for (long i = 0; i < n; i++)
        if (run(in, out, workspace) != 0)
            return -1.0;
    return cpu_seconds() - start;
}

/* a function of up to six array arguments, as emx-onnx-cgen prints it */
double bench_arrays(void (*run)(ptr, ptr, ptr, ptr, ptr, ptr), ptr *a, long n)
{
    double start = cpu_seconds();

    for (long i = 0; i < n; i++)
        run(a[0], a[1], a[2], a[3], a[4], a[5]);
    return cpu_seconds() - start;
}

/* OrtApi.Run */
double bench_ort(ptr (*run)(ptr, ptr, const char *const *, ptr *, size_t, const char *const *,
                            size_t, ptr *),
                 ptr session, const char *const *in_names, ptr *in, size_t nin,
                 const char *const *out_names, size_t nout, ptr *out, long n)
{
    double start = cpu_seconds();

    for (long i = 0; i < n; i++)
        if (run(session, NULL, in_names, in, nin, out_names, nout, out))
            return -1.0;
    return cpu_seconds() - start;
}

/* ov_infer_request_infer */
double bench_openvino(int (*infer)(ptr), ptr request, long n)
{
    double start = cpu_seconds();

    for (long i = 0; i < n; i++)
        if (infer(request) != 0)
            return -1.0;
    return cpu_seconds() - start;
}
