# Measures homes, and lists the folders beside them.
#   $1 folder of the homes   $2 how many folders below it a home is, or "" not to list others
# Standard input: a line for each home: number, user id, path below the folder.
# Output: a line for each home that is a folder: number, bytes on disk, files, seconds of the newest change, quota in
# bytes or `-`; then a line for each folder at that depth: `at` and its path, with `?` in place of line breaks.
set -u
# The words of `stat`, and names in any encoding.
export LC_ALL=C
root=$1 depth=$2
cd -- "$root" || exit 1
whole=$(pwd -P)
if [ "$whole" = / ]; then echo "$root is the root of the file system; name the folder with all homes" >&2; exit 1; fi
# `quota` takes only the folder that the file system is mounted at.
mounted=$(df -P . | awk 'NR == 2 {sub(/^([^ ]+ +)+[0-9]+% +/, ""); print}')
say_unread() {
  echo "$root/$1 by user id $(id -u) here; run this as root, with root_squash on the NFS server" >&2
  exit 1
}

# Whether a folder above a home may not be entered here. Sets `parent` to it.
closed() {
  parent=. rest=$1
  while :; do
    case $rest in
      */*) parent=$parent/${rest%%/*} rest=${rest#*/} ;;
      *) return 1 ;;
    esac
    [ -d "$parent" ] || return 1
    if ! (cd -- "$parent") 2>/dev/null; then return 0; fi
  done
}

# Nothing is taken from the ends of a path, as `read` does with spaces.
while IFS= read -r line; do
  number=${line%% *} line=${line#* }
  uid=${line%% *} path=${line#* }
  if [ -L "./$path" ] || [ ! -d "./$path" ]; then
    if closed "$path"; then say_unread "${parent#./} cannot be entered"; fi
    continue
  fi
  if [ ! -r "./$path" ] || [ ! -x "./$path" ]; then say_unread "$path cannot be read"; fi
  quota=-
  if command -v quota >/dev/null; then
    # The hard limit of blocks of 1 KiB, if the file system of the homes has one for the user.
    quota=$(quota -w -u "$uid" -f "$mounted" 2>/dev/null </dev/null |
      awk 'NR > 2 && $4 > 0 {printf "%.0f", $4 * 1024; found = 1; exit} END {if (!found) print "-"}')
  fi
  # What has several names is counted once.
  find "./$path" -xdev -exec stat -c '%i %h %b %B %Y %F' {} + 2>/dev/null </dev/null |
    awk -v "number=$number" -v "quota=${quota:--}" '
      $6 != "directory" && $2 > 1 && seen[$1]++ {next}
      {bytes += $3 * $4; if ($5 > newest) newest = $5}
      $6 != "directory" {files++}
      END {printf "%s %.0f %.0f %.0f %s\n", number, bytes, files, newest, quota}'
done
[ -z "$depth" ] || find . -mindepth "$depth" -maxdepth "$depth" -type d ! -name '.*' ! -name lost+found -print0 |
  tr '\n\000' '?\n' | sed 's|^\./|at |'
