#!/bin/sh
# Build the image where there is neither docker nor an image registry: as root, with buildah and debootstrap.
#
#   infra/build-without-docker.sh [-t tidegate] [any other option of `buildah build`]
#
# debootstrap makes a stand-in for the Dockerfile's base image, under the same name: the same Debian and the same minor
# version of Python, as Debian builds it. Use the result to test the image, and never ship it.
set -eu
cd "$(dirname "$0")/.."

name=$(sed -n 's/^ARG BASE=//p' Dockerfile)
version=${name#python:}
release=${name##*-}

make_base() {
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  debootstrap --variant=minbase --include="ca-certificates,netbase,tzdata,python${version%%-*}-venv,python3-pip" \
    "$release" "$root"
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
# pip in the build trusts the certificates that this machine trusts, such as those of a company's proxy.
buildah build --isolation chroot --pull-never --volume /etc/ssl/certs:/etc/ssl/certs:ro "$@" .
