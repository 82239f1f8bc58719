#!/usr/bin/env bash
# Makes sure that the tests of the web page find a browser, and Node with npm.
#
#   scripts/browser.sh [--check]
#
# 1. Both are there already: nothing to do. A browser is what KITARU_CHROMIUM names, or chromium, chromium-browser or google-chrome.
# 2. On Debian, as root: Debian's own packages.
#
# Prints, as its last line on standard output, the path of the browser.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; shift; for hint in "$@"; do say "hint: $hint"; done; exit 1; }

check_only=false
if [ "${1:-}" = "--check" ]; then check_only=true; shift; fi

least_node=18

browser() {
  if [ -n "${KITARU_CHROMIUM:-}" ]; then
    command -v "$KITARU_CHROMIUM" || die "KITARU_CHROMIUM is \`$KITARU_CHROMIUM\`, which is no program"
    return
  fi
  local name
  for name in chromium chromium-browser google-chrome; do command -v "$name" && return; done
  return 1
}
has_node() {
  command -v npm >/dev/null 2>&1 || return 1
  local version
  version=$(node --version 2>/dev/null) || return 1
  version=${version#v}
  [ "${version%%.*}" -ge "$least_node" ]
}
ready() { browser >/dev/null && has_node; }

if ! ready; then
  missing=()
  browser >/dev/null || missing+=(chromium)
  # Of other places, such as NodeSource, npm comes with Node.
  command -v node >/dev/null 2>&1 || missing+=(nodejs)
  command -v npm >/dev/null 2>&1 || missing+=(npm)
  [ ${#missing[@]} -gt 0 ] || die "Node $(node --version) is too old for the tests of the page" "install Node $least_node or newer"
  $check_only && die "the tests of the page need ${missing[*]}" "install them, or run scripts/browser.sh as root on Debian" \
    "KITARU_CHROMIUM=<path> names another Chromium"
  command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 \
    || die "the tests of the page need ${missing[*]}" "install them; KITARU_CHROMIUM=<path> names another Chromium"
  [ "$(id -u)" = 0 ] || die "installing ${missing[*]} needs root" "run: sudo apt-get install ${missing[*]}"

  # One at a time: apt refuses a second.
  exec 9>/var/lock/kitaru-browser.lock
  flock 9
  if ! ready; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    say "browser: installing Debian's ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 \
      || { cat "$log" >&2; die "apt-get could not install ${missing[*]}"; }
  fi
  ready || die "the packages were installed, but the tests of the page still miss a browser or Node $least_node with npm"
fi
browser
