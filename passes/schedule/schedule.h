/* passes/schedule/schedule.h - which composites the schedule rows handle whole, and the choice of a plan. */
#ifndef NNC_PASSES_SCHEDULE_H
#define NNC_PASSES_SCHEDULE_H
#include "passes/pass.h"

/* Does a schedule row claim this composite (so that `decompose` leaves it)? */
bool nnc_schedule_claims(nnc_opcode code);
/* Choose a plan for one fused op and set its attribute; the name of the row it came from. */
const char *nnc_schedule_choose(nnc_pass_cx *cx, nnc_op fused);
const char *nnc_schedule_row_name(unsigned i); /* NULL past the last */
#endif
