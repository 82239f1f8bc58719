//! Components written by hand of which only the part matters that misbehaves: the rest is a frame, which has the flow `odd` that returns 42.
//!
//! The part is a text in sections, each below a line `;;; name`:
//!
//! | section | where it goes |
//! |---|---|
//! | `component` | before the core module: imports, types, functions that the module gets |
//! | `with` | what the module is instantiated with |
//! | `module` | fields of the module; imports first |
//! | `memory` | size of the module's memory, in pages |
//! | `describe`, `run`, `realloc` | before what these functions do otherwise |
//! | `post-return` | a function that cleans up after `run` |
//! | `options` | more canonical options of the exports |
//! | `after` | at the end of the component |
//! | `manifest`, `result` | JSON in place of the frame's own |

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::repository;

const MANIFEST: &str = r#"{"manifest":1,"flows":[{"name":"odd","input":{"type":"object"}}],"checkpoints":[]}"#;
/// Where manifest and result lie in the memory: what is below is free for the part.
const DATA: usize = 65_536;
const PAGE: usize = 65_536;

/// A part, and the component that it makes with the frame.
#[derive(Clone, Debug, Default)]
pub struct Framed {
    sections: BTreeMap<String, String>,
}

impl Framed {
    /// The part in a file of `tests/guests/hostile-wat`.
    pub fn read(name: &str) -> Self {
        let path = repository().join("tests/guests/hostile-wat").join(name).with_extension("wat");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&text)
    }

    /// A part as it stands in a file.
    pub fn parse(text: &str) -> Self {
        let (mut sections, mut open) = (BTreeMap::new(), None);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix(";;; ") {
                open = Some(sections.entry(name.trim().to_owned()).or_insert_with(String::new));
            } else if let Some(section) = &mut open {
                section.push_str(line);
                section.push('\n');
            }
        }
        Self { sections }
    }

    /// The same with another section.
    #[must_use]
    pub fn with(mut self, section: &str, text: impl Into<String>) -> Self {
        self.sections.insert(section.to_owned(), text.into());
        self
    }

    fn section(&self, name: &str) -> &str {
        self.sections.get(name).map_or("", |text| text.trim())
    }

    /// The component.
    pub fn bytes(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{}", text.chars().take(4_000).collect::<String>()))
    }

    /// The component as text.
    pub fn text(&self) -> String {
        let given = |name: &str, otherwise: &'static str| {
            if self.section(name).is_empty() { otherwise } else { self.section(name) }.to_owned()
        };
        let (manifest, result) = (given("manifest", MANIFEST), given("result", "42"));
        let result_at = (DATA + manifest.len()).next_multiple_of(8);
        let pages = given("memory", "").parse().unwrap_or((result_at + result.len()) / PAGE + 1);
        let (imports, fields): (Vec<&str>, Vec<&str>) =
            self.section("module").lines().partition(|line| line.starts_with("(import"));
        let cleans_up = self.section("post-return");
        let post_return = if cleans_up.is_empty() { "" } else { r#"(post-return (core func $code "post-return"))"# };
        format!(
            r#"(component
  (import "kitaru:flow/types@0.1.0" (instance $types
    (type $origin' (enum "user-code" "runtime" "backend" "divergence" "unknown"))
    (export "origin" (type $origin (eq $origin')))
    (type $failure' (record
      (field "kind" string) (field "message" string) (field "origin" $origin) (field "retryable" bool)
      (field "call-index" (option u32)) (field "details" (option string))))
    (export "failure" (type (eq $failure')))))
  (alias export $types "failure" (type $failure))
  {component}
  (core module $code
    {imports}
    (memory (export "memory") {pages})
    {fields}
    (data (i32.const {DATA}) "{manifest_text}")
    (data (i32.const {result_at}) "{result_text}")
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      {realloc}
      (local.set $at (global.get $free))
      (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
      (local.get $at))
    (func (export "describe") (result i32)
      {describe}
      (i32.store (i32.const 1024) (i32.const {DATA}))
      (i32.store (i32.const 1028) (i32.const {manifest_bytes}))
      (i32.const 1024))
    (func (export "run") (param i32 i32 i32 i32) (result i32)
      (local $handle i32)
      {run}
      (i32.store (i32.const 1032) (i32.const 0))
      (i32.store (i32.const 1036) (i32.const {result_at}))
      (i32.store (i32.const 1040) (i32.const {result_bytes}))
      (i32.const 1032))
    (func (export "post-return") (param i32) {cleans_up}))
  (core instance $code (instantiate $code {with}))
  (alias core export $code "memory" (core memory $memory))
  (alias core export $code "realloc" (core func $realloc))
  (func $describe (result string) (canon lift (core func $code "describe") (memory $memory) {options}))
  (func $run (param "name" string) (param "input" string) (result (result string (error $failure)))
    (canon lift (core func $code "run") (memory $memory) (realloc $realloc) {options} {post_return}))
  (instance $program
    (export "describe" (func $describe)) (export "run-flow" (func $run)) (export "run-checkpoint" (func $run)))
  (export "kitaru:flow/program@0.1.0" (instance $program))
  {after})"#,
            component = self.section("component"),
            imports = imports.join("\n"),
            fields = fields.join("\n"),
            manifest_text = escaped(&manifest),
            result_text = escaped(&result),
            manifest_bytes = manifest.len(),
            result_bytes = result.len(),
            realloc = self.section("realloc"),
            describe = self.section("describe"),
            run = self.section("run"),
            with = self.section("with"),
            options = self.section("options"),
            after = self.section("after"),
        )
    }
}

/// A text as a string of WAT.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\' {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "\\{byte:02x}");
        }
    }
    escaped
}
