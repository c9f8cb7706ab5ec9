/* frontend/nn/model.h - modules and models: instances while tracing, and what `init` finds out.
 *
 * A model is a value: params, state and frozen leaves as records named by instance, plus its `instance`, the tree of parts
 * that `init` met.  While a call of a model is traced, each module called makes an instance (`nn_instance`) below the
 * caller's, found again by place in the text and unrolled turns; `param` looks up its leaf by name. */
#ifndef NNC_FRONTEND_NN_MODEL_H
#define NNC_FRONTEND_NN_MODEL_H
#include "frontend/nn/call.h"
#include "frontend/nn/expr.h"

typedef struct nn_leaf_spec { /* what a `param` or `state` statement asks for */
    nnc_sym name;
    nnc_type type;
    bool is_key;
    nn_v law;   /* ~ law; else NULL */
    nn_v value; /* = e, in host form; else NULL */
    const nn_ast *node;
} nn_leaf_spec;

typedef struct nn_instance nn_instance;
struct nn_instance {
    nn_instance *owner, *root;
    nnc_sym name;
    nn_v blueprint;       /* decl and static arguments */
    const nn_ast *place;  /* of the call or the binding in the owner's text */
    const uint32_t *turn; /* unrolled turns around it */
    uint32_t nturn;
    NNC_BUF(nn_instance *) part;
    /* a trial trace (init) */
    bool trial;
    NNC_BUF(nn_leaf_spec) param, state;
    /* a call */
    bool training, want_taps;
    nn_v params, state_record, frozen;
    NNC_BUF(nn_slot *) cell; /* state variables */
    uint32_t serial;         /* cells are as old as the call of the root */
    nn_region *region;       /* the region that the root was called in */
    nn_v taps;               /* names of the body's top level, after the last call */
};

/* Unrolled turns around the place being traced. */
typedef struct nn_model_cx {
    NNC_BUF(uint32_t) turn;
} nn_model_cx;

/* What the blueprint's parameters and state are: a trial trace.  `at` is the call of init. */
const nn_instance *nn_trial(nn_trace *t, nn_v blueprint, const nn_args *sizes, const nn_ast *at);
/* Run the body of a module as `inst`. */
nn_v nn_run_instance(nn_trace *t, nn_instance *inst, const nn_args *args, const nn_ast *at);
/* The parameters (or the state) of an instance and its parts as a record: fn gives each leaf, `path` is "enc.w". */
typedef nn_v (*nn_spec_fn)(nn_trace *t, const nn_leaf_spec *l, const char *path, const void *user);
nn_v nn_instance_record(nn_trace *t, const nn_instance *inst, const char *path, bool state,
                        nn_spec_fn fn, const void *user);
nn_v nn_with_training(nn_trace *t, nn_v v, bool on); /* of all models in v */
nn_v nn_model_of(nn_trace *t, const nn_instance *inst, nn_v params, nn_v state, nn_v frozen);
nn_v nn_empty_record(nn_trace *t);
/* A law applied: f[dims](key, bound..), or f[dims](bound..) when it takes no key; in the dtype of `type`. */
nn_v nn_draw(nn_trace *t, nn_v law, nnc_type type, bool is_key, nn_v key, const nn_ast *at);
/* An expression where a call without its key stays a law: after ~, and static arguments. */
nn_v nn_law_or_value(nn_trace *t, const nn_ast *e);
bool nn_takes_key(nn_trace *t, nn_v f);
/* States as a record in the shape of `like`, from the cells of a finished call. */
nn_v nn_states_after(nn_trace *t, const nn_instance *inst, nn_v like);
nn_v nn_call_onnx(nn_trace *t, nn_v model, const nn_args *args, const nn_ast *at);
/* What captures(f) gives; and the same for one captured value: callables by their captures. */
nn_v nn_captures(nn_trace *t, nn_v f);
nn_v nn_captured_part(nn_trace *t, nn_v v);
#endif
