# Prints the content of the folder $1 as tar: the link, the lock, and the releases with all their files.
[ -e "$1" ] || exit 0
cd "$1" || exit
shift
for name in kernelspecs .sync.lock releases/*; do
  if [ -e "$name" ] || [ -L "$name" ]; then set -- "$@" "$name"; fi
done
[ $# -eq 0 ] || exec tar -cf - "$@"
