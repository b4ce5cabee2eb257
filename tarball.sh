#!/bin/sh
# Packs the files of the last commit into aliquot-VERSION.tar.bz2, without any directory in it.
#
# usage: ./tarball.sh [FOLDER]     the tarball goes there; else here
#
# A slash in a path becomes two underscores: src/manage/mod.rs is src__manage__mod.rs. restore.sh, which is packed too,
# puts the tree back. A path for which that couldn't be undone is refused. The same commit gives the same bytes.
set -eu

die() {
    echo "tarball: $*" >&2
    exit 1
}

into=$(cd "${1:-.}" && pwd)
cd "$(dirname "$0")"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
[ -n "$version" ] || die 'Cargo.toml has no version'
git diff --quiet HEAD || echo 'tarball: what is not committed is left out' >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tree" "$scratch/flat"

git ls-tree -r HEAD | grep -v '^100' && die 'only plain files can be packed, not these'
paths=$(git -c core.quotePath=true ls-tree -r --name-only HEAD)
if printf '%s\n' "$paths" | grep -E '[^A-Za-z0-9._/-]|__|_/|/_|^-|^restore\.sh$'; then
    die 'these paths cannot be flattened and put back'
fi

git archive HEAD | tar -C "$scratch/tree" -x
printf '%s\n' "$paths" | while IFS= read -r path; do
    mv "$scratch/tree/$path" "$scratch/flat/$(printf '%s' "$path" | sed 's|/|__|g')"
done
cat >"$scratch/flat/restore.sh" <<'END'
#!/bin/sh
# Puts the tree back, in the folder that holds the unpacked files: a__b.rs becomes a/b.rs.
set -eu
for flat in *__* .[!.]*__*; do
    [ -f "$flat" ] || continue
    path=$(printf '%s' "$flat" | sed 's|__|/|g')
    mkdir -p "${path%/*}"
    mv "$flat" "$path"
done
rm restore.sh
END

cd "$scratch/flat"
find . -type f | sed 's|^\./||' | LC_ALL=C sort >"$scratch/list"
tar -c --format=ustar --owner=0 --group=0 --numeric-owner --mode='u+rwX,go+rX,go-w' \
    --mtime="@$(git -C "$OLDPWD" log -1 --format=%ct)" --no-recursion -T "$scratch/list" >"$scratch/tar"
bzip2 -9 <"$scratch/tar" >"$into/aliquot-$version.tar.bz2"
echo "$into/aliquot-$version.tar.bz2"
