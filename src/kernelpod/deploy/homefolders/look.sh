# Says of each home what is there. With `make`, makes what is missing; with `plan`, says what cannot be made here.
#   $1 folder of the homes   $2 `make`, `plan`, or ""
# Standard input: a line for each home: number, user id, group id, path below the folder.
# Output: a line for each home: number, state, owner, mode, and the folder above it that is in the way, or `-`.
# Nobody but root and who runs this may write above a home, which is checked first; so nobody can put a link into the
# way.
set -u
export LC_ALL=C
umask 022
root=$1 make=$2
cd -- "$root" || exit 1
if [ "$(pwd -P)" = / ]; then echo "$root is the root of the file system; name the folder with all homes" >&2; exit 1; fi
me=$(id -u)
tell() { printf '%s %s %s %s %s\n' "$number" "$1" "${owner:--}" "${mode:--}" "${2:--}"; }

# Whether users may write to a folder: it is theirs, others may, or a group that is not root's.
writable() {
  set -- $(stat -c '%a %g %u' -- "$1" 2>/dev/null)
  [ $# = 3 ] || return 1 # it is gone: what is in it cannot be made
  if [ "$3" != 0 ] && [ "$3" != "$me" ]; then return 0; fi
  case $1 in
    *[2367]) return 0 ;;
    *[2367]?) [ "$2" != 0 ] ;;
    *) return 1 ;;
  esac
}

# Whether who runs this may make the home, as far as the file system says it before.
may() { [ -w "$upper" ] && { [ "$me" = 0 ] || [ "$me" = "$uid" ]; }; }

# Checks the folders above a home, and makes missing ones. Sets `trouble`, and `upper`, the last that is there.
above() {
  trouble= parent=. rest=$1
  case $1 in
    */*) upper=./${1%/*}; [ "${1%/*}" != "$checked" ] || return 0 ;;
    *) upper=.; [ -n "$checked" ] && return 0 ;;
  esac
  while :; do
    if [ -L "$parent" ] && [ "$parent" != . ]; then trouble=above_link; return; fi
    if [ ! -d "$parent" ]; then
      if [ "$make" != make ]; then trouble=missing; return; fi
      if ! mkdir -m 0755 -- "$parent" 2>/dev/null && [ ! -d "$parent" ]; then trouble=failed; return; fi
    fi
    if writable "$parent"; then trouble=above_open; return; fi
    # By trying it: `test` of some shells believes that root may enter any folder.
    if ! (cd -- "$parent") 2>/dev/null && [ -d "$parent" ]; then trouble=above_closed; return; fi
    upper=$parent
    case $rest in
      */*) parent=$parent/${rest%%/*} rest=${rest#*/} ;;
      *) break ;;
    esac
  done
  case $1 in */*) checked=${1%/*} ;; *) checked=. ;; esac
}

# Makes a home its user's. A file system with access lists may give a new folder another mode than it was made with.
give() {
  if chmod 0700 -- "$1" 2>/dev/null && chown -h -- "$uid:$gid" "$1" 2>/dev/null; then owner=$uid mode=700
  else return 1
  fi
}

look() {
  if [ -L "$1" ]; then tell link; return; fi
  if [ ! -e "$1" ]; then
    if [ "$make" = plan ] && ! may; then tell failed; return; fi
    if [ "$make" != make ]; then tell missing; return; fi
    # Fails if somebody else makes it at the same time; then it is looked at as theirs.
    if mkdir -m 0700 -- "$1" 2>/dev/null; then
      if give "$1"; then tell made; else rmdir -- "$1" 2>/dev/null; tell failed; fi
      return
    elif [ ! -d "$1" ] || [ -L "$1" ]; then tell failed; return
    fi
  fi
  if [ ! -d "$1" ]; then tell no_folder; return; fi
  set -- "$1" $(stat -c '%u %a' -- "$1" 2>/dev/null)
  # It is gone by now, or the file system cannot say.
  if [ $# != 3 ]; then tell failed; return; fi
  owner=$2 mode=$3
  if [ "$owner" = 0 ] && [ "$uid" != 0 ]; then
    if [ "$make" = plan ] && [ "$me" != 0 ]; then tell failed
    elif [ "$make" != make ]; then tell unowned; elif give "$1"; then tell owned; else tell failed; fi
  elif [ "$owner" != "$uid" ]; then tell foreign
  else
    case $mode in 0 | *00) tell ok ;; *) tell open ;; esac
  fi
}

checked=
# Nothing is taken from the ends of a path, as `read` does with spaces.
while IFS= read -r line; do
  number=${line%% *} line=${line#* }
  uid=${line%% *} line=${line#* }
  gid=${line%% *} path=${line#* }
  owner= mode=
  above "$path"
  if [ "$trouble" = missing ] && [ "$make" = plan ] && ! may; then trouble=failed; fi
  if [ -n "$trouble" ]; then checked=; tell "$trouble" "$parent"; else look "./$path"; fi
done
