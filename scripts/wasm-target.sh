#!/usr/bin/env bash
# Makes sure that Rust can compile to a WebAssembly target (default: wasm32-wasip2).
#
#   scripts/wasm-target.sh [--check] [target ...]
#
# 1. A toolchain that has the target already: nothing to do.
# 2. `rustup target add`, which is all that most machines need.
# 3. On Debian, as root, where rustup can fetch nothing: Debian's own current Rust with its library source, and the standard
#    library built once for the target. rustup's toolchains stay as they are; the result is linked as toolchain `kitaru-wasm`.
#
# Prints, as its last line on standard output, the toolchain to build guests with: `rustup` or `debian`.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; shift; for hint in "$@"; do say "hint: $hint"; done; exit 1; }

check_only=false
if [ "${1:-}" = "--check" ]; then check_only=true; shift; fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(wasm32-wasip2)

debian_lib=/usr/lib/rustlib
stamp_of() { printf '%s/%s/kitaru-stamp' "$debian_lib" "$1"; }

# A toolchain has a target when its sysroot holds that target's core library.
sysroot_has() { # rustc target
  local root
  root=$("$1" --print sysroot 2>/dev/null) || return 1
  compgen -G "$root/lib/rustlib/$2/lib/libcore-*.rlib" >/dev/null
}
rustup_ready() { local t; for t in "${targets[@]}"; do sysroot_has rustc "$t" || return 1; done; }
# The number says how the library is built; it goes up with every change below that makes another one.
debian_stamp() { echo 2; dpkg-query -W -f '${Package}=${Version}\n' rustc-web cargo-web rust-web-src 2>/dev/null; }
debian_ready() {
  [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || return 1
  local t
  for t in "${targets[@]}"; do
    sysroot_has /usr/bin/rustc "$t" && [ "$(cat "$(stamp_of "$t")" 2>/dev/null)" = "$(debian_stamp)" ] || return 1
  done
}
# Names Debian's Rust as a rustup toolchain, so that `cargo +kitaru-wasm build` works by hand.
link_toolchain() {
  command -v rustup >/dev/null 2>&1 || return 0
  rustup toolchain list 2>/dev/null | grep -q '^kitaru-wasm' || rustup toolchain link kitaru-wasm /usr >&2
}

route=${KITARU_WASM_ROUTE:-auto} # auto, or debian to leave rustup alone
case $route in auto | debian) ;; *) die "KITARU_WASM_ROUTE is \`$route\`" "use auto or debian" ;; esac

if [ "$route" = auto ] && rustup_ready; then echo rustup; exit 0; fi
if debian_ready; then link_toolchain; echo debian; exit 0; fi
if $check_only; then die "no Rust toolchain here can compile to ${targets[*]}" "run: rustup target add ${targets[*]}"; fi

if [ "$route" = auto ] && command -v rustup >/dev/null 2>&1; then
  say "wasm target: rustup target add ${targets[*]}"
  # Without a network rustup retries for minutes, so where there is another way it is only tried if its server answers at all. A download
  # that goes on is never cut off.
  can_wait=true
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v curl >/dev/null 2>&1; then
    curl -sS --max-time 20 -o /dev/null "${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}/" 2>/dev/null || can_wait=false
  fi
  if $can_wait && rustup target add "${targets[@]}" >&2 && rustup_ready; then echo rustup; exit 0; fi
  say "wasm target: rustup could not fetch it"
fi

command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 \
  || die "cannot install ${targets[*]}" "run: rustup target add ${targets[*]}"
[ "$(id -u)" = 0 ] || die "installing Debian's Rust needs root" "run this script as root, or: rustup target add ${targets[*]}"

# One at a time: two that write the same library would leave neither.
exec 9>/var/lock/kitaru-wasm-target.lock
flock 9
if debian_ready; then link_toolchain; echo debian; exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DEBIAN_FRONTEND=noninteractive

if ! dpkg-query -W rustc-web cargo-web rust-web-src >/dev/null 2>&1; then
  say "wasm target: installing Debian's rustc-web, cargo-web and rust-web-src"
  { apt-get update && apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src; } >"$work/apt.log" 2>&1 \
    || { cat "$work/apt.log" >&2; die "apt-get could not install Debian's Rust"; }
fi

# bookworm's wasi-libc predates wasip2; trixie's is architecture-independent and is only unpacked, never installed.
needs_libc=false
for t in "${targets[@]}"; do case $t in *-wasi*) needs_libc=true ;; esac; done
libc=$work/libc
if $needs_libc; then
  say "wasm target: fetching wasi-libc"
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1 | tr -d ' ' || true)
  mirror=${mirror:-http://deb.debian.org/debian}
  mkdir -p "$work/lists/partial" "$libc"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
  apt_opts=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists")
  { apt-get "${apt_opts[@]}" update && cd "$work" && apt-get "${apt_opts[@]}" -o APT::Sandbox::User=root download wasi-libc; } >"$work/libc.log" 2>&1 \
    || { cat "$work/libc.log" >&2; die "could not fetch wasi-libc"; }
  dpkg -x "$work"/wasi-libc_*.deb "$libc"
fi

# With bitcode embedded, flows may use link-time optimisation.
# The linkers ship inside rustup's toolchain, not in Debian's.
host_bin=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
export PATH=$host_bin:$host_bin/gcc-ld:$PATH

mkdir -p "$work/std/src"
printf '[package]\nname = "std-build"\nversion = "0.0.0"\nedition = "2021"\n[lib]\ncrate-type = ["cdylib"]\n[workspace]\n' >"$work/std/Cargo.toml"
: >"$work/std/src/lib.rs"

for t in "${targets[@]}"; do
  if [ "$(cat "$(stamp_of "$t")" 2>/dev/null)" = "$(debian_stamp)" ] && sysroot_has /usr/bin/rustc "$t"; then continue; fi
  say "wasm target: building the standard library for $t (a minute or two, once)"
  lib=$debian_lib/$t/lib
  rm -f "$(stamp_of "$t")" # until it is whole again
  mkdir -p "$lib/self-contained"
  if [ -d "$libc/usr/lib/$t" ]; then cp "$libc/usr/lib/$t"/* "$lib/self-contained/"; fi
  ( cd "$work/std" && env -u RUSTUP_TOOLCHAIN RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-C embed-bitcode=yes -L native=$lib/self-contained" \
      CARGO_TARGET_DIR="$work/target" /usr/bin/cargo build -Zbuild-std=std,panic_abort --target "$t" --release ) >"$work/std.log" 2>&1 \
    || { cat "$work/std.log" >&2; die "the standard library for $t did not build"; }
  rm -f "$lib"/*.rlib # of an earlier version: two standard libraries are none
  find "$work/target/$t/release/deps" -name '*.rlib' ! -name 'libstd_build*' -exec cp -t "$lib" {} +
  debian_stamp >"$(stamp_of "$t")"
done

debian_ready || die "the toolchain was built but is not usable"
link_toolchain
echo debian
