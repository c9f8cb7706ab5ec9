#!/usr/bin/env python3
"""Write the syntax files of the editors from frontend/nn/keywords.def.

usage: generate.py [--check]     --check: change nothing, exit with 1 when a file is not what would be written

The rules are those of the language: a soft word is one at the start of a statement before a name, a number or a
string; a placed word (on over by as) is one where it stands between two operands, which names cannot.
"""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KEYWORDS = os.path.join(HERE, "../../frontend/nn/keywords.def")
TYPES = ("f64 f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i16 i8 i4 i2 u64 u32 u16 u8 u4 u2 u1 bool key str "
         "float int fixed").split()
CONSTANTS = "pi inf none".split()
INFIX = "and else in or xor within where while".split()     # stand behind an operand
DECLARE = "fn module train experiment test target type data const param state var".split()


def words():
    """{class: [word, ..]} of keywords.def."""
    found = {}
    with open(KEYWORDS) as f:
        for word, which in re.findall(r'^KEYWORD\("(\w+)",\s*\w+,\s*(\w+)\)', f.read(), re.M):
            found.setdefault(which, []).append(word)
    return found


def either(list_):
    return "(?:" + "|".join(list_) + ")"


def textmate(w):
    reserved = [x for x in w["RESERVED"] if x not in ("true", "false", "where", "fn", "var")]
    infix = either(INFIX)
    name = r"[A-Za-z_][A-Za-z0-9_]*"
    soft = either(w["SOFT"])
    operand = rf"(?=[ \t]+(?!{either(w['RESERVED'])}\b(?!\s*=))[A-Za-z_0-9\"]|[ \t]*\")"
    start = r"(?:^|(?<=[{;]))[ \t]*"
    unit = r"(?:ns|us|ms|s|K|M|G|Hz|kHz|MHz|GHz)?\b"
    digits = r"[0-9](?:_?[0-9])*"
    patterns = [
        {"name": "comment.line.number-sign.nn", "match": r"#.*$"},
        {"include": "#string"},
        {"match": rf"(?<!\.)(\.)\s*({name})", "captures": {
            "1": {"name": "punctuation.accessor.nn"}, "2": {"name": "variable.other.member.nn"}}},
        {"match": rf"{start}(export)[ \t]+(fn|train)\b(?:[ \t]+({name}))?", "captures": {
            "1": {"name": "keyword.declaration.nn"}, "2": {"name": "keyword.declaration.nn"},
            "3": {"name": "entity.name.function.nn"}}},
        {"match": rf"{start}((?:assert|every))(?=[ \t]+(?:not|true|false|if|for)\b(?!\s*=))", "captures": {
            "1": {"name": "keyword.declaration.nn"}}},
        {"match": rf"{start}({either(sorted(set(w['SOFT']) & set(DECLARE)))}){operand}[ \t]+({name})", "captures": {
            "1": {"name": "keyword.declaration.nn"}, "2": {"name": "entity.name.function.nn"}}},
        {"match": rf"{start}({soft}){operand}", "captures": {"1": {"name": "keyword.declaration.nn"}}},
        {"match": rf"\b(fn|var)\b(?:[ \t]+({name}))?", "captures": {
            "1": {"name": "keyword.declaration.nn"}, "2": {"name": "entity.name.function.nn"}}},
        {"name": "keyword.control.nn", "match": r"\bsubject[ \t]+to\b"},
        {"name": "keyword.control.nn",
         "match": rf"\b{either(w['PLACED'])}\b(?=[ \t]+(?!{infix}\b)[A-Za-z_0-9\"(\[-])"},
        {"name": "keyword.control.nn", "match": r"(?<=[)\]}'\w][ \t])where\b|\bwhere\b(?![ \t]*\()"},
        {"name": "keyword.control.nn", "match": rf"\b{either(reserved)}\b"},
        {"name": "constant.language.nn", "match": rf"\b{either(['true', 'false'])}\b"},
        {"name": "constant.language.nn", "match": rf"\b{either(CONSTANTS)}\b(?![ \t]*[=(])"},
        {"name": "constant.language.nn", "match": r"\b_\b"},
        {"name": "constant.numeric.nn", "match": r"\b0[xX][0-9A-Fa-f_]+\b|\b0[bB][01_]+\b"},
        {"name": "constant.numeric.nn",
         "match": rf"\b{digits}(?:\.{digits})?(?:[eE][-+]?[0-9]+)?{unit}"},
        {"name": "storage.modifier.nn", "match": rf"(?<![\w)\]}}'])@{name}"},
        {"name": "entity.name.function.call.nn", "match": rf"\b{name}(?=!?[(\[])(?<!\bfixed)"},
        {"name": "support.type.nn", "match": rf"\b{either(TYPES)}\b(?![ \t]*=)"},
        {"name": "variable.other.nn", "match": rf"\b{name}\b"},
        {"name": "keyword.operator.nn",
         "match": r"->|\.\.|==|!=|<=|>=|<<|>>|//|[-+*/]=|[-+*/%@^&|<>=~!']"},
        {"match": r"\{", "name": "punctuation.brace.nn"},
    ]
    types = dict(patterns[-4])
    calls = patterns.index(next(p for p in patterns if p.get("name", "").endswith("call.nn")))
    patterns.remove(patterns[-4])
    patterns.insert(calls, types)                # f32[n] is a type before it is a call
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "comment": "made by docs/editors/generate.py from frontend/nn/keywords.def",
        "name": "nn",
        "scopeName": "source.nn",
        "patterns": [{"include": "#code"}],
        "repository": {
            "code": {"patterns": patterns},
            "string": {
                "name": "string.quoted.double.nn", "begin": '"', "end": '"|$',
                "patterns": [
                    {"name": "constant.character.escape.nn", "match": r'\\[nt\\"{}]'},
                    {"name": "invalid.illegal.escape.nn", "match": r"\\."},
                    {"include": "#value"},
                ]},
            "value": {
                "name": "meta.embedded.nn", "begin": r"\{", "end": r"\}|(?=$)",
                "patterns": [{"include": "#braces"},
                             {"name": "constant.other.format.nn", "match": r":[^}\":\[\]()]*(?=\})"},
                             {"include": "#code"}]},
            "braces": {"begin": r"\{", "end": r"\}|(?=$)", "patterns": [{"include": "#braces"}, {"include": "#code"}]},
        },
    }


VIM = r'''" Vim syntax file of the nn language.  Made by docs/editors/generate.py from frontend/nn/keywords.def.
if exists("b:current_syntax")
  finish
endif
syn sync minlines=60

syn keyword nnControl @CONTROL@
syn keyword nnDeclare fn var
syn keyword nnBoolean true false
syn keyword nnType @TYPES@
syn match nnConstant /\<\%(@CONSTANTS@\)\>\%(\s*[=(]\)\@!/

" where(c, a, b) is a function
syn match nnControl /\<where\>\%(\s*(\)\@!/
syn match nnControl /\<subject\s\+to\>/
" words at the start of a statement, before a name, a number or a string
syn match nnDeclare /\%(\%(^\|[{;]\)\s*\)\@<=\%(@SOFT@\)\>\%(\s\+\%(\%(@RESERVED@\)\>\%(\s*=\)\@!\)\@![A-Za-z_0-9"]\|\s*"\)\@=/
syn match nnDeclare /\%(\%(^\|[{;]\)\s*\)\@<=export\>\%(\s\+\%(fn\|train\)\>\)\@=/
syn match nnDeclare /\%(\%(^\|[{;]\)\s*\)\@<=\%(assert\|every\)\>\%(\s\+\%(not\|true\|false\|if\|for\)\>\)\@=/
syn match nnDeclare /\%(\<export\s\+\)\@<=train\>/
" words that stand between two operands
syn match nnControl /\<\%(@PLACED@\)\>\%(\s\+\%(\%(@INFIX@\)\>\)\@![A-Za-z_0-9"(\[-]\)\@=/

" after a dot every word is a field
syn match nnField /\.\@<!\.\s*[A-Za-z_]\w*/
syn match nnHole /\<_\>/
syn match nnHint /[A-Za-z0-9_)\]}']\@<!@[A-Za-z_]\w*/
syn match nnNumber /\<0[xX][0-9A-Fa-f_]\+\>/
syn match nnNumber /\<0[bB][01_]\+\>/
syn match nnNumber /\<\d\%(_\?\d\)*\%(\.\d\%(_\?\d\)*\)\?\%([eE][-+]\?\d\+\)\?\%(ns\|us\|ms\|s\|K\|M\|G\|Hz\|kHz\|MHz\|GHz\)\?\>/
syn match nnOperator /->\|\.\.\|[-+*/%@^&|<>=~!']/

syn region nnString start=/"/ skip=/\\./ end=/"/ oneline contains=nnEscape,nnValue
syn match nnEscape /\\[nt\\"{}]/ contained
syn region nnValue matchgroup=nnEscape start=/{/ end=/}/ oneline contained contains=TOP
syn match nnTodo /\<\%(TODO\|FIXME\|XXX\)\>/ contained
syn match nnComment /#.*$/ contains=nnTodo,@Spell

hi def link nnControl Statement
hi def link nnDeclare Keyword
hi def link nnBoolean Boolean
hi def link nnConstant Constant
hi def link nnType Type
hi def link nnHole Special
hi def link nnHint PreProc
hi def link nnNumber Number
hi def link nnOperator Operator
hi def link nnString String
hi def link nnEscape SpecialChar
hi def link nnTodo Todo
hi def link nnComment Comment

let b:current_syntax = "nn"
'''


def vim(w):
    either_ = "\\|".join
    lists = {
        "SOFT": either_(w["SOFT"]), "PLACED": either_(w["PLACED"]), "RESERVED": either_(w["RESERVED"]),
        "INFIX": either_(INFIX), "CONSTANTS": either_(CONSTANTS), "TYPES": " ".join(TYPES),
        "CONTROL": " ".join(x for x in w["RESERVED"] if x not in ("true", "false", "fn", "var", "where")),
    }
    return re.sub(r"@([A-Z]+)@", lambda m: lists[m.group(1)], VIM)


def files():
    w = words()
    return {
        "vim/syntax/nn.vim": vim(w),
        "vscode/syntaxes/nn.tmLanguage.json": json.dumps(textmate(w), indent=2) + "\n",
    }


def main():
    stale = 0
    for name, text in files().items():
        path = os.path.join(HERE, name)
        old = open(path).read() if os.path.exists(path) else None
        if old == text:
            continue
        if "--check" in sys.argv:
            print(f"docs/editors/{name} is not what docs/editors/generate.py writes")
            stale = 1
        else:
            with open(path, "w") as f:
                f.write(text)
    return stale


if __name__ == "__main__":
    sys.exit(main())
