# Changes which release of a folder is live, in one step; with files on standard input, publishes them before.
#   $1 folder            $2 word for names of its own   $3 lock to hold      $4 lock that its owner has left, or ""
#   $5 link, or "", as it was seen   $6 release to make live   $7 checksum of the files that come as tar, or ""
#   $8... releases to remove
# Whatever happens before the last `mv`, the release that was live still is. Exit status 75: somebody else is at work.
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
# A lock is there whole or not at all, on NFS too. Whoever has it removes the names of those who lose to it, and may
# have gone before it was looked at: then once more.
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
# Of those who were interrupted, and of those who lose to us.
rm -rf .sync.lock-* releases/.partial-* .kernelspecs-*
if [ "$(readlink kernelspecs || true)" != "$seen" ]; then
  say "another release was made live meanwhile; look at it, and try again"
  exit 1
fi
if [ -n "$sum" ]; then
  partial=releases/.partial-$word
  mkdir -p "$partial"
  tar -xof - -C "$partial"
  # The names are the tar's own, each ended by a zero byte: a name may hold anything else.
  read_again=$(cd "$partial" && xargs -0 cat -- <.names | sha256sum)
  if [ "${read_again%% *}" != "$sum" ]; then
    say "what was written is not what can be read; look at the storage"
    exit 1
  fi
  rm "$partial/.names"
  sync -f "$partial" 2>/dev/null || sync
  mv -T "$partial" "releases/$name"
fi
if [ ! -d "releases/$name" ]; then
  say "the release $name is gone; try again"
  exit 1
fi
ln -s "releases/$name" ".kernelspecs-$word"
mv -T ".kernelspecs-$word" kernelspecs
sync -f . 2>/dev/null || sync
for old in "$@"; do rm -rf "releases/$old"; done
