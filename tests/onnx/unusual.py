#!/usr/bin/env python3
"""Small nets as they are met outside of test suites: sizes known at run time, shapes computed from shapes, control flow that
captures, outputs whose size depends on data, outputs that are each other, names that are no identifiers.

Each is compiled once with its dimensions bounded, run with several sizes and compared with ONNX Runtime; then written as
ONNX again (-o again.onnx), which has to give the same or be refused with a word.  usage: unusual.py [NAME ...]
"""

import sys
import warnings

import numpy as np
import onnx
import onnx.parser
from harness import Refused, Toolchain, agree, compile_onnx, difference, isolated, nnc
from onnx import TensorProto, helper, numpy_helper
from reference import ort_run

NETS = {}
R = np.random.default_rng(3)


def half(shape):
    return R.standard_normal(shape).astype(np.float16)


def int8(shape):
    return R.integers(-127, 128, shape).astype(np.int8)


def net(name, text, weights, dims=(), sizes=(), opset=17):
    """`text` is ONNX text; a weight is an array or a shape; `dims` goes to --dim, `sizes` are the values to run with."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{text}')
    for key, value in weights.items():
        array = (R.standard_normal(value) * 0.3).astype(np.float32) if isinstance(value, list) else np.asarray(value)
        model.graph.initializer.append(numpy_helper.from_array(array, key))
    NETS[name] = (model, list(dims), list(sizes) or [{}])


net("mlp_dyn", """
    g (float[n,16] x) => (float[n,4] y) {
        a = Gemm<transB=1>(x,w1,b1)
        r = Relu(a)
        b = Gemm<transB=1>(r,w2,b2)
        y = Softmax<axis=-1>(b)
    }""",
    {"w1": [32, 16], "b1": [32], "w2": [4, 32], "b2": [4]}, ["n=1..8"],
    [{"n": 1}, {"n": 3}, {"n": 8}])

net("cnn_hw", """
    g (float[n,3,h,w] x) => (float[n,5] y, float[n,8,h2,w2] z) {
        a = Conv<kernel_shape=[3,3],pads=[1,1,1,1],strides=[2,2]>(x,w1,b1)
        r = Relu(a)
        p = MaxPool<kernel_shape=[2,2],strides=[2,2],ceil_mode=1>(r)
        z = Conv<group=4,kernel_shape=[3,3],pads=[2,1,0,1],dilations=[1,1]>(p,w2)
        g1 = GlobalAveragePool(z)
        f = Flatten(g1)
        y = MatMul(f, w3)
    }""",
    {"w1": [8, 3, 3, 3], "b1": [8], "w2": [8, 2, 3, 3], "w3": [8, 5]}, ["n=1..2", "h=9..20", "w=9..20"],
    [{"n": 1, "h": 9, "w": 9}, {"n": 2, "h": 20, "w": 20}, {"n": 1, "h": 13, "w": 18}, {"n": 2, "h": 10, "w": 15}])

net("encoder", """
    g (int64[b,s] ids, int64[b,s] mask) => (float[b,s,16] y) {
        e0 = Gather<axis=0>(table, ids)
        sh = Shape(ids)
        c1 = Constant<value_int=1>()
        sl = Gather<axis=0>(sh,c1)
        c0 = Constant<value_int=0>()
        one = Constant<value_int=1>()
        pos = Range(c0,sl,one)
        pe = Gather(ptab,pos)
        e = Add(e0,pe)
        n = LayerNormalization<axis=-1>(e,g,bb)
        qq = MatMul(n,wq)
        kk = MatMul(n,wk)
        vv = MatMul(n,wv)
        bs = Gather<axis=0>(sh,c0)
        u = Constant<value_ints=[0]>()
        b1 = Unsqueeze(bs,u)
        s1 = Unsqueeze(sl,u)
        h4 = Constant<value_ints=[4]>()
        m1 = Constant<value_ints=[-1]>()
        shp = Concat<axis=0>(b1,s1,h4,m1)
        q4 = Reshape(qq,shp)
        k4 = Reshape(kk,shp)
        v4 = Reshape(vv,shp)
        q = Transpose<perm=[0,2,1,3]>(q4)
        k = Transpose<perm=[0,2,3,1]>(k4)
        v = Transpose<perm=[0,2,1,3]>(v4)
        sc0 = MatMul(q,k)
        half = Constant<value_float=0.5>()
        sc = Mul(sc0,half)
        ax12 = Constant<value_ints=[1,2]>()
        mu = Unsqueeze(mask,ax12)
        mf = Cast<to=1>(mu)
        onef = Constant<value_float=1.0>()
        inv = Sub(onef,mf)
        neg = Constant<value_float=-10000.0>()
        mb = Mul(inv,neg)
        scm = Add(sc,mb)
        p = Softmax<axis=-1>(scm)
        o = MatMul(p,v)
        ot = Transpose<perm=[0,2,1,3]>(o)
        h16 = Constant<value_ints=[16]>()
        shp2 = Concat<axis=0>(b1,s1,h16)
        oo = Reshape(ot,shp2)
        r = Add(oo,e)
        y = LayerNormalization<axis=-1>(r,g,bb)
    }""",
    {"table": [20, 16], "ptab": [12, 16], "g": [16], "bb": [16], "wq": [16, 16], "wk": [16, 16], "wv": [16, 16]}, ["b=1..3", "s=1..12"],
    [{"b": 1, "s": 1}, {"b": 3, "s": 12}, {"b": 2, "s": 7}])

net("dyn_LSTM", """
    g (float[t,b,5] x) => (float[t,2,b,6] y, float[2,b,6] h) {
        y,h = LSTM<hidden_size=6,direction="bidirectional">(x,w,r,bi)
    }""",
    {"w": [2, 24, 5], "r": [2, 24, 6], "bi": [2, 48]}, ["t=1..9", "b=1..3"],
    [{"t": 1, "b": 1}, {"t": 9, "b": 3}, {"t": 4, "b": 2}])

net("dyn_GRU", """
    g (float[t,b,5] x) => (float[t,2,b,6] y, float[2,b,6] h) {
        y,h = GRU<hidden_size=6,direction="bidirectional">(x,w,r,bi)
    }""",
    {"w": [2, 18, 5], "r": [2, 18, 6], "bi": [2, 36]}, ["t=1..9", "b=1..3"],
    [{"t": 1, "b": 1}, {"t": 9, "b": 3}, {"t": 4, "b": 2}])

net("padmul", """
    g (float[1,c,t] x) => (float[1,c,o] y) {
        sh = Shape(x)
        i2 = Constant<value_int=2>()
        t0 = Gather<axis=0>(sh,i2)
        four = Constant<value_int=4>()
        m = Mod(t0,four)
        d = Sub(four,m)
        mm = Mod(d,four)
        u = Constant<value_ints=[0]>()
        mu = Unsqueeze(mm,u)
        z5 = Constant<value_ints=[0,0,0,0,0]>()
        pads = Concat<axis=0>(z5,mu)
        p = Pad(x,pads)
        zz = Constant<value_ints=[0,0,-1,4]>()
        r = Reshape(p,zz)
        ax = Constant<value_ints=[-1]>()
        y = ReduceMean<axes=[-1],keepdims=0>(r)
    }""",
    {}, ["c=1..3", "t=1..17"],
    [{"c": 1, "t": 1}, {"c": 3, "t": 17}, {"c": 2, "t": 8}, {"c": 3, "t": 4}])

net("slice_shape", """
    g (float[b,t,6] x) => (float[b,half,6] y, float[b,r,6] z) {
        sh = Shape<start=1,end=2>(x)
        two = Constant<value_ints=[2]>()
        h = Div(sh,two)
        z0 = Constant<value_ints=[0]>()
        ax = Constant<value_ints=[1]>()
        y = Slice(x,z0,h,ax)
        mx = Constant<value_ints=[9223372036854775807]>()
        z = Slice(x,h,mx,ax)
    }""",
    {}, ["b=1..2", "t=1..9"],
    [{"b": 1, "t": 1}, {"b": 2, "t": 9}, {"b": 1, "t": 4}])

net("expand_where", """
    g (float[b,1,6] x, float[b,t,1] k) => (float[b,t,6] y) {
        sh = Shape(k)
        i0 = Constant<value_ints=[0]>()
        i1 = Constant<value_ints=[1]>()
        b1 = Gather(sh,i0)
        t1 = Gather(sh,i1)
        m1 = Constant<value_ints=[-1]>()
        tgt = Concat<axis=0>(b1,t1,m1)
        s3 = Constant<value_ints=[3]>()
        ones = ConstantOfShape<value=int64[1]{1}>
        (s3)
        negone = Mul(ones,m1)
        eq = Equal(tgt,negone)
        w = Where(eq,ones,tgt)
        e = Expand(x,w)
        y = Mul(e,k)
    }""",
    {}, ["b=1..2", "t=1..5"],
    [{"b": 1, "t": 1}, {"b": 2, "t": 5}])

net("causal", """
    g (float[s,s] x) => (float[s,s] y) {
        sh = Shape(x)
        one = Constant<value=float[1]{1.0}>
        ()
        m0 = ConstantOfShape<value=float[1]{1.0}>
        (sh)
        m = Trilu<upper=0>(m0)
        mb = Cast<to=9>(m)
        ninf = Constant<value_float=-1e9>()
        w = Where(mb,x,ninf)
        y = Softmax<axis=-1>(w)
    }""",
    {}, ["s=1..6"],
    [{"s": 1}, {"s": 4}, {"s": 6}])

net("if_capture", """
    g (float[4] x, bool c) => (float[4] y) {
        k = Mul(x,x)
        y = If(c) <then_branch = tb () => (float[4] t) {
            t = Add(k,x)
        }, else_branch = eb () => (float[4] e) {
            q = Sub(k,x)
            s = ReduceSum<keepdims=0>(q)
            zero = Constant<value_float=0.0>()
            g2 = Greater(s,zero)
            e = If(g2) <then_branch = tb2 () => (float[4] t2) {
                t2 = Neg(q)
            }, else_branch = eb2 () => (float[4] e2) {
                e2 = Identity(k)
            }>
        }>
    }""",
    {}, [],
    [])

net("loop_nested", """
    g (float[3] x) => (float[3] y, float[4,3] ys) {
        trip = Constant<value_int=4>()
        c = Constant<value=bool{1}>
        ()
        y, ys = Loop(trip,c,x) <body = b (int64 i, bool ci, float[3] s) => (bool co, float[3] so, float[3] o) {
            co = Identity(ci)
            three = Constant<value_int=3>()
            cc = Constant<value=bool{1}>
            ()
            so = Loop(three,cc,s) <body = b2 (int64 j, bool cj, float[3] v) => (bool c2, float[3] v2) {
                c2 = Identity(cj)
                jf = Cast<to=1>(j)
                if_ = Cast<to=1>(i)
                a = Add(v,jf)
                bb = Mul(if_,x)
                v2 = Add(a,bb)
            }>
            o = Mul(so,x)
        }>
    }""",
    {}, [],
    [])

net("loop_early", """
    g (float[1] x, int64 m) => (float[1] y) {
        c = Constant<value=bool{1}>
        ()
        y = Loop(m,c,x) <body = b (int64 i, bool ci, float[1] s) => (bool co, float[1] so) {
            so = Add(s,s)
            lim = Constant<value_float=100.0>()
            l = Less(so,lim)
            ax = Constant<value_ints=[0]>()
            co = Squeeze(l,ax)
        }>
    }""",
    {}, [],
    [])

net("loop_while_scan", """
    g (float[1] x) => (float[1] y, float[k,1] ys) {
        c = Constant<value=bool{1}>
        ()
        m = Constant<value_int=10>()
        y, ys = Loop(m,c,x) <body = b (int64 i, bool ci, float[1] s) => (bool co, float[1] so, float[1] o) {
            so = Add(s,s)
            o = Identity(s)
            lim = Constant<value_float=100.0>()
            l = Less(so,lim)
            ax = Constant<value_ints=[0]>()
            co = Squeeze(l,ax)
        }>
    }""",
    {}, [],
    [])

net("scan2", """
    g (float[2] i0, float[6,2] x, float[6,2] z) => (float[2] f, float[6,2] o) {
        f, o = Scan<num_scan_inputs=2, scan_input_directions=[0,1], body = b (float[2] s, float[2] a, float[2] c) => (float[2] so, float[2] oo) {
            p = Mul(a,c)
            so = Add(s,p)
            oo = Tanh(so)
        } >(i0,x,z)
    }""",
    {}, [],
    [])

net("scan_dyn", """
    g (float[2] i0, float[t,2] x) => (float[2] f, float[t,2] o) {
        f, o = Scan<num_scan_inputs=1, body = b (float[2] s, float[2] a) => (float[2] so, float[2] oo) {
            so = Add(s,a)
            oo = Tanh(so)
        } >(i0,x)
    }""",
    {}, ["t=1..6"],
    [{"t": 1}, {"t": 6}, {"t": 3}])

net("nonzero", """
    g (float[3,4] x) => (int64[2,k] y, float[k] v) {
        r = Relu(x)
        y = NonZero(r)
        t = Transpose(y)
        v = GatherND(x,t)
    }""",
    {}, [],
    [])

net("topk_shape", """
    g (float[b,n] x) => (float[b,k] v, int64[b,k] i) {
        sh = Shape<start=1>(x)
        two = Constant<value_ints=[2]>()
        h0 = Add(sh,two)
        h = Div(h0,two)
        v,i = TopK<axis=1>(x,h)
    }""",
    {}, ["b=1..2", "n=1..9"],
    [{"b": 1, "n": 2}, {"b": 2, "n": 9}, {"b": 1, "n": 7}])

net("compress", """
    g (float[5,3] x, bool[5] c) => (float[k,3] y) {
        y0 = Compress<axis=0>(x,c)
        y = Exp(y0)
    }""",
    {}, [],
    [])

net("nms", """
    g (float[1,12,4] b, float[1,2,12] s) => (int64[k,3] y) {
        m = Constant<value_ints=[3]>()
        iou = Constant<value=float[1]{0.4}>
        ()
        st = Constant<value=float[1]{0.3}>
        ()
        y = NonMaxSuppression<center_point_box=1>(b,s,m,iou,st)
    }""",
    {}, [],
    [])

net("nms_gather", """
    g (float[1,12,4] b, float[1,2,12] s) => (float[k,4] y) {
        m = Constant<value_ints=[3]>()
        iou = Constant<value=float[1]{0.4}>
        ()
        st = Constant<value=float[1]{0.3}>
        ()
        i = NonMaxSuppression(b,s,m,iou,st)
        two = Constant<value_int=2>()
        col = Gather<axis=1>(i,two)
        z = Constant<value_ints=[0]>()
        bb = Squeeze(b,z)
        y = Gather<axis=0>(bb,col)
    }""",
    {}, [],
    [])

net("alias", """
    g (float[2,3] x) => (float[2,3] x2, float[2,3] y, float[2,3] y2, float[6] f, float[3] c, float[1,2,3] u) {
        x2 = Identity(x)
        y = Relu(x)
        y2 = Identity(y)
        s = Constant<value_ints=[6]>()
        f = Reshape(x,s)
        c = Constant<value=float[3]{1.0,2.0,3.0}>
        ()
        z = Constant<value_ints=[0]>()
        u = Unsqueeze(y,z)
    }""",
    {}, [],
    [])

net("zero_dyn", """
    g (float[n,3] x) => (float[n,2] y, float s) {
        y = MatMul(x,w)
        s = ReduceSum<keepdims=0>(y)
    }""",
    {"w": [3, 2]}, ["n=0..4"],
    [{"n": 0}, {"n": 1}, {"n": 4}])

net("f16", """
    g (float16[n,8] x) => (float16[n,4] y) {
        a = MatMul(x,w)
        b = Add(a,c)
        s = Sigmoid(b)
        y = Softmax(s)
    }""",
    {"w": half([8, 4]), "c": half([4])}, ["n=1..4"],
    [{"n": 1}, {"n": 4}])

net("dynquant", """
    g (float[n,8] x) => (float[n,4] y) {
        q,s,z = DynamicQuantizeLinear(x)
        m = MatMulInteger(q,w,z)
        f = Cast<to=1>(m)
        sm = Mul(s,sw)
        y = Mul(f,sm)
    }""",
    {"w": int8([8, 4]), "sw": np.float32(0.01)}, ["n=1..4"],
    [{"n": 1}, {"n": 4}])

net("conv1d_odd", """
    g (float[2,6,23] x) => (float[2,9,11] y) {
        y = Conv<group=3,kernel_shape=[5],dilations=[2],pads=[4,3],strides=[2]>(x,w,b)
    }""",
    {"w": [9, 2, 5], "b": [9]}, [],
    [])

net("conv3d", """
    g (float[1,2,5,7,6] x) => (float[1,4,a,b,c] y) {
        y = Conv<kernel_shape=[3,2,3],pads=[1,0,2,0,1,1],strides=[1,2,1],dilations=[1,2,1]>(x,w)
    }""",
    {"w": [4, 2, 3, 2, 3]}, [],
    [])

net("deconv2d", """
    g (float[1,4,5,7] x) => (float[1,6,a,b] y) {
        y = ConvTranspose<group=2,kernel_shape=[3,4],strides=[2,3],pads=[1,0,0,2],dilations=[2,1],output_padding=[1,2]>(x,w,b)
    }""",
    {"w": [4, 3, 3, 4], "b": [6]}, [],
    [])

net("deconv1d_dyn", """
    g (float[n,4,t] x) => (float[n,3,o] y) {
        y = ConvTranspose<kernel_shape=[4],strides=[2],pads=[1,1]>(x,w,b)
    }""",
    {"w": [4, 3, 4], "b": [3]}, ["n=1..2", "t=1..9"],
    [{"n": 1, "t": 1}, {"n": 2, "t": 9}, {"n": 1, "t": 5}])

net("deconv3d", """
    g (float[1,2,3,4,3] x) => (float[1,2,a,b,c] y) {
        y = ConvTranspose<kernel_shape=[2,3,2],strides=[2,1,2]>(x,w)
    }""",
    {"w": [2, 2, 2, 3, 2]}, [],
    [])

net("pools", """
    g (float[1,3,11,9] x) => (float[1,3,a,b] y, float[1,3,c,d] z, float[1,3,e,f] l, int64[1,3,e,f] li) {
        y = AveragePool<kernel_shape=[3,3],strides=[2,2],pads=[1,0,0,1],ceil_mode=1,count_include_pad=1>(x)
        z = AveragePool<kernel_shape=[3,2],strides=[3,2],ceil_mode=1>(x)
        l,li = MaxPool<kernel_shape=[3,3],strides=[2,2],dilations=[2,1],pads=[1,1,1,1],ceil_mode=1>(x)
    }""",
    {}, [],
    [])

net("negstep", """
    g (float[5,n,7] x) => (float[a,b,c] y) {
        y = Slice(x,s,e,ax,st)
    }""",
    {"s": np.array([-1, -1, 6], np.int64), "e": np.array([-100, -100, 0], np.int64), "ax": np.array([0, 1, -1], np.int64), "st": np.array([-2, -1, -3], np.int64)}, ["n=1..6"],
    [{"n": 1}, {"n": 6}, {"n": 3}])

net("resize_dyn", """
    g (float[1,2,h,w] x) => (float[1,2,a,b] y) {
        sc = Constant<value=float[4]{1.0,1.0,2.0,2.0}>
        ()
        y = Resize<mode="linear",coordinate_transformation_mode="half_pixel">(x,,sc)
    }""",
    {}, ["h=1..5", "w=1..5"],
    [{"h": 1, "w": 1}, {"h": 5, "w": 5}, {"h": 2, "w": 4}])

net("upsample_to", """
    g (float[1,2,h,w] x, float[1,2,hh,ww] z) => (float[1,4,hh,ww] y) {
        sh = Shape<start=2>(z)
        xs = Shape<end=2>(x)
        sz = Concat<axis=0>(xs,sh)
        u = Resize<mode="nearest",coordinate_transformation_mode="asymmetric",nearest_mode="floor">(x,,,sz)
        y = Concat<axis=1>(u,z)
    }""",
    {}, ["h=1..4", "w=1..4", "hh=1..8", "ww=1..8"],
    [{"h": 1, "w": 1, "hh": 2, "ww": 2}, {"h": 4, "w": 4, "hh": 8, "ww": 8}, {"h": 2, "w": 3, "hh": 4, "ww": 6}])

net("bcast_sym", """
    g (float[n,1] x, float[1,m] z) => (float[n,m] y, float[n] s) {
        y = Add(x,z)
        s = ReduceMax<axes=[1],keepdims=0>(y)
    }""",
    {}, ["n=1..4", "m=1..4"],
    [{"n": 1, "m": 1}, {"n": 4, "m": 4}, {"n": 2, "m": 3}])

net("kvcache", """
    g (float[1,2,p,4] past, float[1,2,1,4] k, float[1,2,1,4] q) => (float[1,2,t,4] present, float[1,2,1,4] y) {
        present = Concat<axis=2>(past,k)
        kt = Transpose<perm=[0,1,3,2]>(present)
        s = MatMul(q,kt)
        pp = Softmax<axis=-1>(s)
        y = MatMul(pp,present)
    }""",
    {}, ["p=0..7"],
    [{"p": 0}, {"p": 1}, {"p": 7}])

net("einsum_dyn", """
    g (float[b,i,4] x, float[b,j,4] z) => (float[b,i,j] y) {
        y = Einsum<equation="bid,bjd->bij">(x,z)
    }""",
    {}, ["b=1..2", "i=1..3", "j=1..5"],
    [{"b": 1, "i": 1, "j": 1}, {"b": 2, "i": 3, "j": 5}, {"b": 2, "i": 2, "j": 4}])

net("groupnorm", """
    g (float[n,6,h,w] x) => (float[n,6,h,w] y) {
        sh = Shape(x)
        r0 = Constant<value_ints=[0,3,-1]>()
        r = Reshape(x,r0)
        i = InstanceNormalization(r,s,b)
        y = Reshape(i,sh)
    }""",
    {"s": [3], "b": [3]}, ["n=1..2", "h=1..5", "w=2..5"],
    [{"n": 1, "h": 1, "w": 2}, {"n": 2, "h": 5, "w": 5}])

net("reshape_sym", """
    g (float[b,t,8] x) => (float[bt,8] y, float[b,t,2,4] z) {
        m = Constant<value_ints=[-1,8]>()
        y0 = Reshape(x,m)
        y = Relu(y0)
        s = Constant<value_ints=[0,0,2,4]>()
        z = Reshape(x,s)
    }""",
    {}, ["b=1..2", "t=1..3"],
    [{"b": 1, "t": 1}, {"b": 2, "t": 3}])

net("yolo_grid", """
    g (float[1,6,h,w] x) => (float[1,k,6] y) {
        sh = Shape(x)
        i2 = Constant<value_int=2>()
        i3 = Constant<value_int=3>()
        h = Gather(sh,i2)
        w = Gather(sh,i3)
        z = Constant<value_int=0>()
        o = Constant<value_int=1>()
        ry = Range(z,h,o)
        rx = Range(z,w,o)
        u0 = Constant<value_ints=[0]>()
        u1 = Constant<value_ints=[1]>()
        a = Unsqueeze(ry,u1)
        b = Unsqueeze(rx,u0)
        hu = Unsqueeze(h,u0)
        wu = Unsqueeze(w,u0)
        hw = Concat<axis=0>(hu,wu)
        ga = Expand(a,hw)
        gb = Expand(b,hw)
        um = Constant<value_ints=[-1]>()
        gau = Unsqueeze(ga,um)
        gbu = Unsqueeze(gb,um)
        g2 = Concat<axis=-1>(gbu,gau)
        gf = Cast<to=1>(g2)
        t = Transpose<perm=[0,2,3,1]>(x)
        s = Sigmoid(t)
        sp = Constant<value_ints=[2,4]>()
        xy,rest = Split<axis=-1>(s,sp)
        xy2 = Add(xy,gf)
        c = Concat<axis=-1>(xy2,rest)
        rs = Constant<value_ints=[1,-1,6]>()
        y = Reshape(c,rs)
    }""",
    {}, ["h=1..4", "w=1..4"],
    [{"h": 1, "w": 1}, {"h": 4, "w": 4}, {"h": 2, "w": 3}])

net("same_res", """
    g (float[1,3,h,w] x) => (float[1,4,a,b] y) {
        c = Conv<auto_pad="SAME_UPPER",strides=[2,2]>(x,w3)
        s = Conv<auto_pad="SAME_UPPER",strides=[2,2]>(x,w1)
        r0 = Add(c,s)
        r = Relu(r0)
        y0 = Conv<auto_pad="SAME_UPPER",strides=[2,2],group=4>(r,wd)
        m = MaxPool<auto_pad="SAME_UPPER",strides=[2,2],kernel_shape=[3,3]>(r)
        y = Add(y0,m)
    }""",
    {"w3": [4, 3, 3, 3], "w1": [4, 3, 1, 1], "wd": [4, 1, 3, 3]}, ["h=4..12", "w=4..12"],
    [{"h": 4, "w": 4}, {"h": 12, "w": 12}, {"h": 7, "w": 9}, {"h": 5, "w": 6}])


net("conv_integer", """
    g (uint8[1,3,h,5] x) => (int32[1,4,a,3] y) {
        y = ConvInteger(x, w)
    }""",
    {"w": int8([4, 3, 3, 3]).view(np.uint8)}, ["h=3..6"],
    [{"h": 3}, {"h": 6}])

net("qlinear_same", """
    g (uint8[1,3,h,w] x) => (uint8[1,4,a,b] y) {
        y = QLinearConv<auto_pad="SAME_UPPER", strides=[2,2]>(x, sx, zx, k, sk, zk, sy, zy)
    }""",
    {"sx": np.float32(.03), "zx": np.uint8(120), "k": int8([4, 3, 3, 3]), "sk": np.float32(.01), "zk": np.int8(0),
     "sy": np.float32(.1), "zy": np.uint8(128)}, ["h=4..9", "w=4..9"],
    [{"h": 4, "w": 4}, {"h": 9, "w": 7}, {"h": 5, "w": 8}])


for kernel, stride, pads in ((2, 2, [0, 0]), (3, 2, [1, 1]), (2, 3, [0, 1]), (3, 3, [1, 2])):
    for op in ("MaxPool", "AveragePool"):
        net(f"ceil_{op}_{kernel}{stride}", f"""
    g (float[1,2,t] x) => (float[1,2,o] y) {{
        y = {op}<kernel_shape=[{kernel}], strides=[{stride}], pads={pads}, ceil_mode=1>(x)
    }}""", {}, ["t=3..13"], [{"t": t} for t in range(3, 14)])


def strange_names():
    """Inputs whose names are C keywords, macros, equal once they are identifiers, or no text at all."""
    names = ["input 1", "in/put:1", "in_put_1", "größe/✓", "int", "while", "a" * 300, "1", "-", ".", " ", "in-put-1", 'x"y', "b\\n",
             "weights", "run", "%s%n", "*/", "NULL", "EOF", "__LINE__", "v1", "c2"]
    nodes, last = [], names[0]
    for i, name in enumerate(names[1:]):
        out = f"out/{i} ::é" if i < len(names) - 2 else "return"
        nodes.append(helper.make_node("Add", [last, name], [out], name=f'node {i} "*/ /* %d ??/'))
        last = out
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "graph */ name", [value(n, TensorProto.FLOAT, [2, 3]) for n in names],
                              [value(last, TensorProto.FLOAT, [2, 3]), value(names[0], TensorProto.FLOAT, [2, 3])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.doc_string = model.producer_name = "*/ #include <x> \\\n"
    return model


NETS["strange_names"] = (strange_names(), [], [{}])


def feeds(model, sizes):
    """Random inputs; integers are small, so that they serve as indices and counts."""
    made = {}
    for v in model.graph.input:
        dtype = helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)
        shape = [sizes.get(d.dim_param, d.dim_value) for d in v.type.tensor_type.shape.dim]
        made[v.name] = np.asarray(R.standard_normal(shape)).astype(dtype) if dtype.kind == "f" else R.integers(0, 2 if dtype == bool else 9, shape).astype(dtype)
    return made


def work(name):
    model, dims, runs = NETS[name]
    onnx.save(model, "net.onnx")
    options = [f"--dim={d}" for d in dims]
    compiled = compile_onnx("net.onnx", [Toolchain("gcc", "-O1")], options)
    try:
        nnc("net.onnx", "-o", "again.onnx", *options)
        again = True
    except Refused as no:
        assert "cannot be written as ONNX" in str(no), no
        again = False
    for sizes in runs:
        given = feeds(model, sizes)
        want = [np.asarray(a) for a in ort_run("net.onnx", given)]
        answers = [("C", compiled.run([given[t.name] for t in compiled.inputs]))]
        if again:
            answers.append(("ONNX", [np.asarray(a) for a in ort_run("again.onnx", given)]))
        for how, got in answers:
            for out, a, b in zip(model.graph.output, got, want):
                assert agree(a, b, 2e-3 if b.dtype == np.float16 else 1e-4), f"{how}, {sizes}: {out.name}: {difference(a, b)}"


def main():
    warnings.simplefilter("ignore")
    names = sys.argv[1:] or list(NETS)
    good = 0
    for name, status, value in isolated(names, work):
        good += status == "ok"
        if status != "ok":
            print(f"FAILED {name}: {value if isinstance(value, str) else ': '.join(value)[:1500]}", flush=True)
    print(f"{good} of {len(names)} nets agree with ONNX Runtime")
    sys.exit(good != len(names))


if __name__ == "__main__":
    main()
