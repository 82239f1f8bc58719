//! A host whose flows ask a model that speaks as far as the browser lets it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kitaru_tests::page::Page;
use kitaru_tests::provider::{Gate, Provider, Reaction};
use kitaru_tests::{Models, fixture};

/// How many words the model says.
const WORDS: usize = 200;
/// After how many of them it waits.
const HELD: [usize; 3] = [60, 130, 185];
/// What it says among them.
const MARKUP: &str =
    "<script>window.xss='script'</script> <img src=x onerror=\"window.xss='img'\"> [x](javascript:window.xss='link') ";

/// The host, and whoever lets its model go on.
pub(crate) struct Speaking {
    models: Models,
    gates: PathBuf,
    is_over: Arc<AtomicBool>,
}

impl Speaking {
    pub(crate) fn new() -> Self {
        let gates: [Gate; HELD.len() + 1] = std::array::from_fn(|_| Gate::new());
        let words = (0..WORDS).map(|number| if number == 5 { format!("word-5 {MARKUP}") } else { format!("word-{number} ") });
        let story = Reaction::pieces(words).usage(31, 12);
        let story = HELD.iter().zip(&gates).fold(story, |story, (words, gate)| story.held_after(*words, gate));
        let sealed = Reaction::pieces(["{\"answer\": ", "\"hidden-word\"}"]).held_after(1, &gates[HELD.len()]);
        let models = Models::of(Provider::answering([story, sealed]));
        let _ = models.host.item(["secrets", "set", "creds", &format!("--OPENAI_API_KEY={}", Models::KEY)]);
        let _ = models.alias("fast", "openai/gpt-4o-mini", &models.provider.openai(), &["--secret", "creds"]);
        for flow in ["model_flow_stream", "model_stream"] {
            let _ = models.host.item(["deploy", &fixture(&format!("conformance:{flow}")), "--allow-llm"]);
        }
        let (files, is_over) = (PathBuf::from(models.host.path("gates")), Arc::new(AtomicBool::new(false)));
        std::thread::spawn({
            let (files, is_over) = (files.clone(), is_over.clone());
            move || open_as_asked(&files, &gates, &is_over)
        });
        Self { models, gates: files, is_over }
    }

    /// Its page, with the beginning of the names of the files that open its gates.
    pub(crate) fn page(&self) -> Page {
        let host = &self.models.host;
        Page::of(host).and(host, "author").and(host, "viewer").with("gates", self.gates.to_str().unwrap())
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Opens the gates one after the other, each when its file is there.
fn open_as_asked(files: &std::path::Path, gates: &[Gate], is_over: &AtomicBool) {
    for (gate, number) in gates.iter().zip(1..) {
        while !files.with_extension(number.to_string()).exists() {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        gate.open();
    }
}
