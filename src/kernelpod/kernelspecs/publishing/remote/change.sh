# Makes a release live atomically. With files as tar on standard input, publishes them as this release first.
#   $1 folder                         $2 unique word for temporary names   $3 lock to hold
#   $4 abandoned lock to remove, or ""   $5 expected target of the link, or ""   $6 release to make live
#   $7 checksum of the files, or ""   $8... releases to remove
# Until the last `mv`, the live release is unchanged. Exit status 75: somebody else holds the lock.
set -eu
umask 022
root=$1 word=$2 lock=$3 left=$4 seen=$5 name=$6 sum=$7
shift 7
say() { printf '%s\n' "$1" >&2; }

mkdir -p -- "$root"
cd -- "$root"
if [ -n "$left" ] && [ "$(cat .sync.lock 2>/dev/null)" = "$left" ]; then rm -f .sync.lock; fi
own=.sync.lock-$word locked=
finish() {
  rm -f "$own"
  [ -z "$locked" ] || rm -rf releases/.partial-* .kernelspecs-* .sync.lock
}
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE
# Creating a hard link is atomic, even on NFS. The owner of the lock removes the files of others, and may be done
# before its lock is read here; then try again.
tries=0
until printf '%s' "$lock" >"$own" && ln "$own" .sync.lock 2>/dev/null; do
  cat .sync.lock 2>/dev/null && exit 75
  tries=$((tries + 1))
  if [ "$tries" -ge 20 ]; then
    say "$root cannot be locked: no hard link can be made there"
    exit 1
  fi
done
locked=yes
# Remove files of processes that were interrupted or did not get the lock.
rm -rf .sync.lock-* releases/.partial-* .kernelspecs-*
if [ "$(readlink kernelspecs || true)" != "$seen" ]; then
  say "another release was made live in the meantime; check it, and try again"
  exit 1
fi
if [ -n "$sum" ]; then
  partial=releases/.partial-$word
  mkdir -p "$partial"
  tar -xof - -C "$partial"
  # .names comes with the tar and separates names by zero bytes, since names may contain any other byte.
  read_again=$(cd "$partial" && xargs -0 cat -- <.names | sha256sum)
  if [ "${read_again%% *}" != "$sum" ]; then
    say "the written release cannot be read back; check the storage"
    exit 1
  fi
  rm "$partial/.names"
  sync -f "$partial" 2>/dev/null || sync
  mv -T "$partial" "releases/$name"
fi
if [ ! -d "releases/$name" ]; then
  say "the release $name no longer exists; try again"
  exit 1
fi
ln -s "releases/$name" ".kernelspecs-$word"
mv -T ".kernelspecs-$word" kernelspecs
sync -f . 2>/dev/null || sync
for old in "$@"; do rm -rf "releases/$old"; done
