/* tests/runtime/fake.h - a program as a compiler would write it, with graphs made by hand.
 *
 * bits      a static and a run-time head, claims in and after the sweep, a table, a plot, print, save
 * nested    a sweep in a sweep
 * failing   a point that fails an assertion: the fifth of six
 * broken    a graph with a status of its own
 * slow      points of 50 ms, for Ctrl-C
 * timed     seconds
 * training  reports
 * small     a test with one claim that fails */
#ifndef NNC_TESTS_RUNTIME_FAKE_H
#define NNC_TESTS_RUNTIME_FAKE_H
#include "runtime/host.h"

extern const nnp_program fake_program;
#endif
