/* MPI counts in int: bytes go in pieces. */
#include "mpi_rank.h"
#ifdef NNP_MPI
#include <mpi.h>
#include <stdlib.h>
#include <time.h>

static void finish(void)
{
    int done = 0;
    MPI_Finalized(&done);
    if (!done)
        MPI_Finalize();
}

void nnp_rank_begin(nnp_session *s)
{
    int ready = 0, level;
    if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE") && !getenv("PMIX_RANK"))
        return; /* not under mpirun: starting MPI takes a while and opens sockets */
    s->launched = 1;
    MPI_Initialized(&ready);
    if (!ready) {
        MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
        atexit(finish);
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &s->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &s->ranks);
}

void nnp_rank_meet(nnp_session *s)
{
    MPI_Request request;
    int done = 0;
    if (s->ranks < 2)
        return;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    for (;;) {
        struct timespec nap = {0, 500000};
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        if (done)
            return;
        nanosleep(&nap, NULL);
    }
}

void nnp_rank_share(nnp_session *s, int from, nnp_text *t)
{
    enum { PIECE = 1 << 28 };
    uint64_t n = t->n;
    if (s->ranks < 2)
        return;
    nnp_rank_meet(s);
    MPI_Bcast(&n, 1, MPI_UINT64_T, from, MPI_COMM_WORLD);
    if (s->rank != from) {
        nnp_text_clear(t);
        nnp_text_fill(t, 0, (size_t)n);
    }
    for (uint64_t i = 0; i < n; i += PIECE)
        MPI_Bcast(t->at + i, (int)(n - i < PIECE ? n - i : PIECE), MPI_BYTE, from, MPI_COMM_WORLD);
}

void nnp_rank_abort(nnp_session *s, int code)
{
    if (s->ranks > 1) {
        fflush(NULL);
        MPI_Abort(MPI_COMM_WORLD, code);
    }
}
#else
void nnp_rank_begin(nnp_session *s)
{
    (void)s;
}

void nnp_rank_meet(nnp_session *s)
{
    (void)s;
}

void nnp_rank_share(nnp_session *s, int from, nnp_text *t)
{
    (void)s;
    (void)from;
    (void)t;
}

void nnp_rank_abort(nnp_session *s, int code)
{
    (void)s;
    (void)code;
}
#endif
