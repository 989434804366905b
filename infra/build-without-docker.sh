#!/bin/sh
# Build the image where there is neither docker nor a registry: as root, with buildah, debootstrap and Debian's mirror.
#
#   infra/build-without-docker.sh [-t tidegate] [any other option of `buildah build`]
#
# Under the name of the Dockerfile's base goes a stand-in for it: the same Debian and the same minor version of Python,
# but Debian's own build of it. Good for testing the image, not for shipping it.
set -eu
cd "$(dirname "$0")/.."

name=$(sed -n 's/^ARG BASE=//p' Dockerfile)
version=${name#python:}
release=${name##*-}

make_base() {
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  debootstrap --variant=minbase --include="ca-certificates,netbase,tzdata,python${version%%-*}-venv,python3-pip" \
    "$release" "$root" http://deb.debian.org/debian
  ln -s python3 "$root/usr/bin/python"
  # As in the original: no package lists, documentation, translations, or bytecode of the standard library.
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
    "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/*
  find "$root/usr/lib" -name __pycache__ -prune -exec rm -rf {} +
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$root" /
  buildah commit --quiet --rm "$container" "$name"
}

buildah inspect --type image "$name" >/dev/null 2>&1 || make_base
# A mirror behind a proxy is known by this machine's authorities, not by the base's.
buildah build --isolation chroot --pull-never --volume /etc/ssl/certs:/etc/ssl/certs:ro "$@" .
