" Settings for .nn files: two blanks, `#` comments; `gq` runs the formatter of the compiler.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1
setlocal expandtab shiftwidth=2 softtabstop=2 textwidth=100
setlocal comments=:# commentstring=#\ %s
setlocal suffixesadd=.nn include=^\\s*import define=^\\s*\\%(export\\s\\+\\)\\?\\%(fn\\|module\\|train\\|type\\|data\\|const\\)
if executable("nnc")
  setlocal formatprg=nnc\ fmt\ -
endif
let b:undo_ftplugin = "setlocal et< sw< sts< tw< com< cms< sua< inc< def< fp<"
