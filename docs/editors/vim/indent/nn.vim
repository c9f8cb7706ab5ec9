" Indentation of .nn files: two blanks inside braces and brackets that end their line, and behind an open formula.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1
setlocal indentexpr=GetNnIndent(v:lnum) indentkeys=0},0),0],o,O
let b:undo_indent = "setlocal inde< indk<"

if exists("*GetNnIndent")
  finish
endif

function s:Code(lnum)
  return substitute(getline(a:lnum), '\s*\%(#.*\)\?$', '', '')
endfunction

" Whether the line cannot be the end of a statement.
function s:Open(lnum)
  return s:Code(a:lnum) =~ '\%([-+*/%@^&|<>=~,:]\|->\|\<\%(and\|or\|xor\|not\|in\)\)$'
endfunction

function GetNnIndent(lnum)
  let last = prevnonblank(a:lnum - 1)
  while last > 0 && getline(last) =~ '^\s*#'
    let last = prevnonblank(last - 1)
  endwhile
  if last == 0
    return 0
  endif
  let indent = indent(last)
  if s:Code(last) =~ '[{(\[]$'
    let indent += shiftwidth()
  elseif s:Open(last) && !s:Open(prevnonblank(last - 1))
    let indent += shiftwidth()
  elseif !s:Open(last) && s:Open(prevnonblank(last - 1)) && getline(last) !~ '^\s*[})\]]'
    let indent -= shiftwidth()
  endif
  if getline(a:lnum) =~ '^\s*[})\]]'
    let indent -= shiftwidth()
  endif
  return max([indent, 0])
endfunction
