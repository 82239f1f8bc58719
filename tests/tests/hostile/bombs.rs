//! Components that are small to send and large to load, or no components at all.

use kitaru_tests::Framed;

use super::row::{End, Row, made};

const INVALID: &str = "not a valid WebAssembly component";

fn module(fields: impl Into<String>) -> Vec<u8> {
    Framed::default().with("module", fields).bytes()
}

fn component(items: impl Into<String>) -> Vec<u8> {
    Framed::default().with("component", items).bytes()
}

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A section that means nothing, of this name and size.
fn custom(name: &str, size: usize) -> Vec<u8> {
    let mut content = leb(name.len());
    content.extend_from_slice(name.as_bytes());
    content.resize(content.len() + size, b'A');
    [vec![0], leb(content.len()), content].concat()
}

fn plain_with(more: &[u8]) -> Vec<u8> {
    [Framed::default().bytes().as_slice(), more].concat()
}

/// Lists in lists, so many deep.
fn lists(depth: usize) -> String {
    let hop = |n: usize| format!("(type $t{} (list $t{n}))\n", n + 1);
    format!("(type $t0 u8)\n{}", (0..depth).map(hop).collect::<String>())
}

/// Pairs of pairs: twice the size with each.
fn pairs(depth: usize) -> String {
    let hop = |n: usize| format!("(type $t{} (tuple $t{n} $t{n}))\n", n + 1);
    format!("(type $t0 (tuple u8 u8))\n{}", (0..depth).map(hop).collect::<String>())
}

/// Components within one another. The text of a component cannot be so deep, so it is put together here.
fn nested(depth: usize) -> Vec<u8> {
    let head = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    let inner = (0..depth).fold(head.to_vec(), |inner, _| [head.as_slice(), &[4], &leb(inner.len()), &inner].concat());
    plain_with(&[[4].as_slice(), &leb(inner.len()), &inner].concat())
}

/// Code that costs more to compile than to send.
pub(crate) const COMPILING: &[Row] = &[
    made(
        "5,000 functions",
        "Five thousand functions.",
        || module("(func (param i32) (result i32) (local.get 0))\n".repeat(5_000)),
        End::Completes,
    ),
    made(
        "many locals",
        "Functions of fifty thousand locals.",
        || module(format!("(func (local {}))\n", "i64 ".repeat(50_000)).repeat(20)),
        End::Completes,
    ),
    made(
        "too many locals",
        "A function of fifty thousand and one locals.",
        || module(format!("(func (local {}))", "i64 ".repeat(50_001))),
        End::Refused(INVALID),
    ),
    made(
        "jump to a hundred thousand places",
        "A jump table of a hundred thousand entries.",
        || module(format!("(func (param i32) (block (br_table {} (local.get 0))))", "0 ".repeat(100_000))),
        End::Refused(INVALID),
    ),
    made(
        "a million instructions",
        "A function of two megabytes, which takes gigabytes to compile.",
        || {
            let calls = "call $f ".repeat(1_000_000);
            module(format!(
                "(func $f (param i32) (result i32) (local.get 0)) (func (param i32) (result i32) (local.get 0) {calls})"
            ))
        },
        End::Refused("takes too much to compile"),
    ),
    made(
        "deep blocks",
        "A function of a hundred thousand blocks within one another, which takes minutes to compile.",
        || module(format!("(func {} {})", "block ".repeat(100_000), "end ".repeat(100_000))),
        End::Refused("takes too much to compile"),
    ),
    made(
        "many branches",
        "A function of thirty thousand branches, which takes long to compile.",
        || {
            let branches = "(if (local.get 0) (then (local.set 0 (i32.const 3))))".repeat(30_000);
            module(format!("(func (param i32) {branches})"))
        },
        End::Refused("takes too much to compile"),
    ),
    made(
        "20,000 types",
        "Twenty thousand types of functions.",
        || module((0..20_000).map(|n| format!("(type (func (param {})))\n", "i32 ".repeat(n % 50))).collect::<String>()),
        End::Completes,
    ),
    made(
        "100,000 globals",
        "A hundred thousand globals.",
        || module("(global i64 (i64.const 1))\n".repeat(100_000)),
        End::Completes,
    ),
    made(
        "90,000 elements",
        "A table that is filled with ninety thousand functions.",
        || module(format!("(table 90000 funcref) (func $f) (elem (i32.const 0) {})", "$f ".repeat(90_000))),
        End::Completes,
    ),
    made(
        "100,000 exports",
        "A hundred thousand exports of one function.",
        || module(format!("(func $f) {}", (0..100_000).map(|n| format!("(export \"e{n}\" (func $f))")).collect::<String>())),
        End::Completes,
    ),
    made(
        "16 MB of data",
        "Sixteen megabytes of data, in the file and in the memory.",
        || {
            Framed::default()
                .with("memory", "300")
                .with("module", format!("(data (i32.const 131072) \"{}\")", "x".repeat(16_000_000)))
                .bytes()
        },
        End::Completes,
    ),
];

/// Components of too many parts, or of parts that are no parts.
pub(crate) const PARTS: &[Row] = &[
    made(
        "10,000 components",
        "Ten thousand components in one.",
        || component("(component)\n".repeat(10_000)),
        End::Refused("takes too much to compile"),
    ),
    made(
        "10,000 modules",
        "Ten thousand modules in one component.",
        || component("(core module)\n".repeat(10_000)),
        End::Refused("takes too much to compile"),
    ),
    made(
        "10,000 instances",
        "Ten thousand instances of a module.",
        || component(format!("(core module $e)\n{}", "(core instance (instantiate $e))\n".repeat(10_000))),
        End::Refused(INVALID),
    ),
    made(
        "900 instances",
        "Nine hundred instances of a module.",
        || component(format!("(core module $e)\n{}", "(core instance (instantiate $e))\n".repeat(900))),
        End::Completes,
    ),
    made(
        "components within components",
        "Ten thousand components within one another, which take gigabytes to load.",
        || nested(10_000),
        End::Refused("takes too much to compile"),
    ),
    made("deep types", "Lists two hundred deep.", || component(lists(200)), End::Refused(INVALID)),
    made(
        "types that double",
        "Pairs of pairs, sixty times: more than there are atoms in a person.",
        || component(pairs(60)),
        End::Refused(INVALID),
    ),
    made(
        "type of itself",
        "A list of itself.",
        // The first type, and it is a list of the first type. No text of a component says that, so it is put together here.
        || [[0, b'a', b's', b'm', 0x0d, 0, 1, 0].as_slice(), &[7, 3, 1, 0x70, 0]].concat(),
        End::Refused(INVALID),
    ),
    made(
        "types above each other",
        "Two types of functions, each of which is above the other.",
        || module("(rec (type $a (sub $b (func))) (type $b (sub $a (func))))"),
        End::Refused(INVALID),
    ),
    made(
        "20,000 imports",
        "Twenty thousand imports that there are not.",
        || component((0..20_000).map(|n| format!("(import \"acme:rockets/r{n}\" (instance))\n")).collect::<String>()),
        End::Refused(INVALID),
    ),
    made(
        "import of escapes",
        "An import whose name would take over a terminal.",
        || component("(import \"url=<\\1b[2J\\e2\\80\\ae>\" (instance))"),
        End::Refused("does not offer"),
    ),
    made(
        "section of 16 MB",
        "A section of sixteen megabytes that means nothing.",
        || plain_with(&custom("evil", 16_000_000)),
        End::Completes,
    ),
    made(
        "100,000 sections",
        "A hundred thousand sections that mean nothing.",
        || plain_with(&custom("evil", 8).repeat(100_000)),
        End::Completes,
    ),
    made(
        "section that lies",
        "A section that says that it has four gigabytes.",
        || plain_with(b"\x00\xff\xff\xff\xff\x0f"),
        End::Refused(INVALID),
    ),
    made("section of no kind", "Bytes after the end.", || plain_with(&[0xff; 1_000]), End::Refused(INVALID)),
    made(
        "half a component",
        "The first half of a component.",
        || {
            let whole = Framed::default().bytes();
            whole[..whole.len() / 2].to_vec()
        },
        End::Refused(INVALID),
    ),
    made(
        "noise",
        "What begins like a component, and goes on like noise.",
        || {
            let noise = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8);
            [0, b'a', b's', b'm', 0x0d, 0, 1, 0].into_iter().chain(noise).collect()
        },
        End::Refused(INVALID),
    ),
];
