" Vim syntax file of the nn language.  Made by docs/editors/generate.py from frontend/nn/keywords.def.
if exists("b:current_syntax")
  finish
endif
syn sync minlines=60

syn keyword nnControl and backward else for if in maximize minimize not or sweep while within xor
syn keyword nnDeclare fn var
syn keyword nnBoolean true false
syn keyword nnType f64 f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i16 i8 i4 i2 u64 u32 u16 u8 u4 u2 u1 bool key str float int fixed
syn match nnConstant /\<\%(pi\|inf\|none\)\>\%(\s*[=(]\)\@!/

" where(c, a, b) is a function
syn match nnControl /\<where\>\%(\s*(\)\@!/
syn match nnControl /\<subject\s\+to\>/
" words at the start of a statement, before a name, a number or a string
syn match nnDeclare /\%(\%(^\|[{;]\)\s*\)\@<=\%(assert\|claim\|const\|data\|every\|experiment\|export\|import\|module\|param\|state\|target\|test\|train\|type\)\>\%(\s\+\%(\%(and\|backward\|else\|false\|fn\|for\|if\|in\|maximize\|minimize\|not\|or\|sweep\|true\|var\|where\|while\|within\|xor\)\>\%(\s*=\)\@!\)\@![A-Za-z_0-9"]\|\s*"\)\@=/
syn match nnDeclare /\%(\%(^\|[{;]\)\s*\)\@<=export\>\%(\s\+\%(fn\|train\)\>\)\@=/
syn match nnDeclare /\%(\%(^\|[{;]\)\s*\)\@<=\%(assert\|every\)\>\%(\s\+\%(not\|true\|false\|if\|for\)\>\)\@=/
syn match nnDeclare /\%(\<export\s\+\)\@<=train\>/
" words that stand between two operands
syn match nnControl /\<\%(as\|by\|on\|over\)\>\%(\s\+\%(\%(and\|else\|in\|or\|xor\|within\|where\|while\)\>\)\@![A-Za-z_0-9"(\[-]\)\@=/

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
