dnl SPDX-License-Identifier: BSD-3-Clause
dnl
dnl Which flags do the compiler and the linker at hand take?
dnl
dnl Every test is compiled with -Werror, since clang only warns of a flag it
dnl does not know, and with -Wall, since some flags only refine what that
dnl turns on. The test program is written out, not AC_LANG_PROGRAM: that
dnl has "int main ()" up to autoconf 2.69, which -Wstrict-prototypes refuses.

AC_DEFUN([_HOOK_PROGRAM],
  [AC_LANG_SOURCE([[int main (void) { return 0; }]])])

dnl _HOOK_TRY_FLAG(FLAG, PRINTED, COMPILE-OR-LINK, VARIABLE)
AC_DEFUN([_HOOK_TRY_FLAG],
  [AS_VAR_PUSHDEF([hook_var], [hook_cv_flag_$1])dnl
   AC_CACHE_CHECK([whether $CC takes $1], [hook_var],
     [hook_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -Werror -Wall $1"
      $2([_HOOK_PROGRAM],
        [AS_VAR_SET([hook_var], [yes])], [AS_VAR_SET([hook_var], [no])])
      CFLAGS=$hook_save_CFLAGS])
   AS_VAR_IF([hook_var], [yes], [$3="$$3 $1"])
   AS_VAR_POPDEF([hook_var])])

dnl HOOK_COMPILE_FLAGS(VARIABLE, FLAGS): appends those the compiler takes.
AC_DEFUN([HOOK_COMPILE_FLAGS],
  [AC_SUBST([$1])
   m4_foreach_w([hook_flag], [$2],
     [_HOOK_TRY_FLAG(m4_defn([hook_flag]), [AC_COMPILE_IFELSE], [$1])
  ])])

dnl HOOK_LINK_FLAGS(VARIABLE, FLAGS): appends those the linker takes. The
dnl compiler's hardening flags are there too: -pie needs objects made for it.
AC_DEFUN([HOOK_LINK_FLAGS],
  [AC_SUBST([$1])
   hook_link_save_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS $HARDENING_CFLAGS"
   m4_foreach_w([hook_flag], [$2],
     [_HOOK_TRY_FLAG(m4_defn([hook_flag]), [AC_LINK_IFELSE], [$1])
  ])
   CFLAGS=$hook_link_save_CFLAGS])

dnl HOOK_REQUIRE_FLAGS(FLAGS, SWITCH): stops when they do not work.
AC_DEFUN([HOOK_REQUIRE_FLAGS],
  [AC_MSG_CHECKING([whether $CC takes $1])
   hook_save_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS $1"
   AC_LINK_IFELSE([_HOOK_PROGRAM], [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([$2: $CC cannot build with $1])])
   CFLAGS=$hook_save_CFLAGS])

dnl HOOK_FORTIFY(VARIABLE): adds -D_FORTIFY_SOURCE=2 unless a level is set
dnl already or the build is not an optimising one.
AC_DEFUN([HOOK_FORTIFY],
  [AC_SUBST([$1])
   AC_CACHE_CHECK([whether to add -D_FORTIFY_SOURCE=2], [hook_cv_fortify],
     [AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#ifdef _FORTIFY_SOURCE
# error "a level is set already"
#endif
#ifndef __OPTIMIZE__
# error "not optimising"
#endif
int main (void) { return 0; }]])],
       [hook_cv_fortify=yes], [hook_cv_fortify=no])])
   AS_IF([test "x$hook_cv_fortify" = xyes], [$1="$$1 -D_FORTIFY_SOURCE=2"])])

dnl HOOK_CHECK_JSON_PATH(SWITCH, VALUE): VALUE goes into the hook JSON through
dnl sed, so it must be an absolute path without what those two would read as
dnl something else.
AC_DEFUN([HOOK_CHECK_JSON_PATH],
  [AS_CASE([$2],
     [*@<:@\\\"\|\&\'\$\ @:>@*],
       [AC_MSG_ERROR([--$1=$2: a character that the hook JSON cannot have])],
     [/*], [],
     [AC_MSG_ERROR([--$1=$2: must be an absolute path])])])
