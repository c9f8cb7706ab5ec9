/* runtime/mpi_rank.h - ranks of MPI, when built with NNP_MPI (mpicc) and started by mpirun; else one rank, no cost.
 *
 * Every rank runs every experiment; only points of sweeps are dealt out and only rank 0 shows and writes.  Ranks that
 * wait sleep instead of spinning, so that they do not disturb those that work. */
#ifndef NNC_RUNTIME_MPI_RANK_H
#define NNC_RUNTIME_MPI_RANK_H
#include "session.h"

/* Fills session->rank and ranks; MPI ends when the program does. */
void nnp_rank_begin(nnp_session *s);
/* Everybody gets what rank `from` has in *t. */
void nnp_rank_share(nnp_session *s, int from, nnp_text *t);
/* Waits for all. */
void nnp_rank_meet(nnp_session *s);
/* Ends all ranks with `code`; returns when there is one only. */
void nnp_rank_abort(nnp_session *s, int code);
#endif
