//! The corpus of every fuzz target, and random changes of it, without a fuzzer: what was found once is not lost again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use kitaru_fuzz_properties::{HOST, LLM, Target, check};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The most bytes of a seed.
const LARGEST: u64 = 16 * 1024;
/// The fewest seeds of a target.
const FEWEST: usize = 5;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn targets() -> Vec<Target> {
    LLM.into_iter().chain(HOST).collect()
}

/// The seeds of a target by name, in order.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    seeds.sort();
    seeds
}

fn replay(target: &str) {
    for (name, seed) in seeds(target) {
        let kept = catch_unwind(AssertUnwindSafe(|| check(target, &seed)));
        kept.unwrap_or_else(|panic| {
            eprintln!("the seed is fuzz/corpus/{target}/{name}");
            resume_unwind(panic)
        });
    }
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
    Swap(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\0\n\r {}[]\":,-.019ae\xff".to_vec())];
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        (any::<Index>(), 1..16_usize).prop_map(|(at, len)| Edit::Remove(at, len)),
        (any::<Index>(), 1..64_usize).prop_map(|(at, len)| Edit::Repeat(at, len)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

fn edited(mut data: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let end = |at: usize, len: usize| (at + len).min(data.len());
        match edit {
            Edit::Insert(at, byte) => data.insert(at.index(data.len() + 1), *byte),
            _ if data.is_empty() => {}
            Edit::Replace(at, byte) => {
                let at = at.index(data.len());
                data[at] = *byte;
            }
            Edit::Remove(at, len) => {
                let at = at.index(data.len());
                let end = end(at, *len);
                data.drain(at..end);
            }
            Edit::Repeat(at, len) => {
                let at = at.index(data.len());
                let piece = data[at..end(at, *len)].to_vec();
                data.splice(at..at, piece);
            }
            Edit::Swap(a, b) => {
                let (a, b) = (a.index(data.len()), b.index(data.len()));
                data.swap(a, b);
            }
        }
    }
    data
}

/// The same changes each time: a run that fails can be repeated.
fn vary(target: &str, cases: u32) {
    let seeds = seeds(target);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let input = (any::<Index>(), prop::collection::vec(edit(), 1..6));
    let input = input.prop_map(|(seed, edits)| edited(seed.get(&seeds).1.clone(), &edits));
    let result = runner.run(&input, |data| {
        check(target, &data);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{target}: {error}"));
}

macro_rules! corpus_tests {
    ($($target:ident: $cases:literal),* $(,)?) => {
        $(
            mod $target {
                #[test]
                fn every_seed_keeps_the_properties() {
                    super::replay(stringify!($target));
                }

                #[test]
                fn random_changes_of_seeds_keep_the_properties() {
                    super::vary(stringify!($target), $cases);
                }
            }
        )*

        const TESTED: &[&str] = &[$(stringify!($target)),*];
    };
}

// A changed component is compiled, and a changed import has a store made: fewer of those.
corpus_tests! {
    sse: 500,
    codec: 500,
    http_body: 500,
    schema: 200,
    component: 24,
    manifest: 500,
    journal: 500,
    archive: 500,
    import: 16,
    guest_values: 500,
    config: 500,
    middleware: 500,
}

/// A target is worth what its corpus and its tests are worth, and nobody runs one that is not written down.
#[test]
fn every_target_has_a_program_a_corpus_tests_and_a_place_in_the_documentation() {
    let documentation = fs::read_to_string(fuzz().join("../docs/contributing/fuzzing.md")).unwrap();
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED, "a target has no tests here");
    for name in &names {
        let program = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("check(\"{name}\", data)")), "fuzz_targets/{name}.rs calls another target");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "fuzz/Cargo.toml has no `{name}`");
        assert!(documentation.contains(&format!("| `{name}` |")), "the documentation has no `{name}`");
        assert!(seeds(name).len() >= FEWEST, "`{name}` has few seeds");
    }
    for folder in ["fuzz_targets", "corpus"] {
        let files = fs::read_dir(fuzz().join(folder)).unwrap().map(|file| file.unwrap().path());
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            assert!(names.contains(&name), "{folder} has `{name}`, which is no target");
        }
    }
}

#[test]
fn seeds_are_small() {
    for target in targets() {
        for (name, seed) in seeds(target.name) {
            assert!(seed.len() as u64 <= LARGEST, "{}/{name} has {} bytes", target.name, seed.len());
        }
    }
}

#[test]
#[should_panic(expected = "there is no target")]
fn a_target_that_is_not_there_is_told() {
    check("nothing", b"");
}
