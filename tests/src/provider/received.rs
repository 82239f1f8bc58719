//! What a provider was asked, and what became of it.

use std::time::Instant;

use serde_json::Value;

use super::protocol::Protocol;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its place among all requests, from 0.
    pub number: usize,
    /// What it speaks, if it is a model call; nothing for a list of models and for paths that no provider has.
    pub protocol: Option<Protocol>,
    /// `POST` or `GET`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers in their order, with names in lower case. A value that is not text is shown with replacement characters.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// When its last byte was there.
    pub at: Instant,
}

impl Received {
    /// The value of the first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The key that it came with, whichever header has it.
    pub fn key(&self) -> Option<&str> {
        let bearer = self.header("authorization").map(|value| value.trim_start_matches("Bearer "));
        bearer.or_else(|| ["x-api-key", "api-key", "x-goog-api-key"].iter().find_map(|name| self.header(name)))
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("a request is JSON: {error}: {}", text()))
    }

    /// The model that it names: in the body, or with Gemini in the path.
    #[track_caller]
    pub fn model(&self) -> String {
        if self.protocol == Some(Protocol::Gemini) {
            let path = self.path.split('?').next().unwrap_or_default();
            let last = path.rsplit('/').next().unwrap_or_default();
            return last.split(':').next().unwrap_or_default().to_owned();
        }
        self.json()["model"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it wants the answer in pieces.
    #[track_caller]
    pub fn is_streamed(&self) -> bool {
        match self.protocol {
            Some(Protocol::Gemini) => self.path.contains(":streamGenerateContent"),
            _ => self.json()["stream"] == true,
        }
    }

    /// The conversation, in the same words for each protocol: `system`, `user`, `assistant` or `tool`, and the text. A message that only asks
    /// for tools has an empty text.
    #[track_caller]
    pub fn conversation(&self) -> Vec<(String, String)> {
        let protocol = self.protocol.unwrap_or_else(|| panic!("not a model call: {} {}", self.method, self.path));
        protocol.conversation(&self.json())
    }

    /// The names of the tools that it offers.
    #[track_caller]
    pub fn tools(&self) -> Vec<String> {
        let body = self.json();
        let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        let declared = tools.iter().flat_map(|tool| match tool["functionDeclarations"].as_array() {
            Some(several) => several.iter().collect(),
            None => vec![if tool["function"].is_object() { &tool["function"] } else { tool }],
        });
        declared.filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
    }
}

/// A request, and how far its answer has come.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was asked.
    pub received: Received,
    /// How many bytes of the answer's body the connection has taken so far. Headers and the framing of pieces do not count.
    pub sent: u64,
    /// How it ended.
    pub ending: Ending,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Not yet.
    Open,
    /// All of it was sent.
    Whole,
    /// The script cut the connection.
    Cut,
    /// The client went away before all was sent.
    Abandoned,
}
