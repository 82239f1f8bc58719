//! What a message says: text, or parts of several kinds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Extra;

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// One text.
    Text(String),
    /// Several parts, in order.
    Parts(Vec<Part>),
}

impl Content {
    /// The text of all text parts, in order, with nothing between them; other kinds of parts count for nothing.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().filter_map(Part::text).collect(),
        }
    }

    /// The first text in it.
    pub fn first_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Parts(parts) => parts.iter().find_map(Part::text),
        }
    }

    /// Gives every text to `change`, in order, so that a policy can rewrite it in place.
    pub fn for_each_text(&mut self, mut change: impl FnMut(&mut String)) {
        match self {
            Self::Text(text) => change(text),
            Self::Parts(parts) => {
                for part in parts {
                    if let Part::Text(part) = part {
                        change(&mut part.text);
                    }
                }
            }
        }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// One part of a content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub enum Part {
    /// Text: `{"type":"text","text":…}`.
    Text(TextPart),
    /// A picture: `{"type":"image_url","image_url":{"url":…}}`.
    Image(ImagePart),
    /// Anything else, in the provider's own shape.
    Native(Map<String, Value>),
}

/// A part that is text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextPart {
    /// The text.
    pub text: String,
    /// The provider's other keys, such as `cache_control`.
    pub extra: Extra,
}

/// A part that is a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImagePart {
    /// Where it is, or a `data:<media type>;base64,…` URL that holds it.
    pub url: String,
    /// How closely the model is to look: `low`, `high` or `auto`.
    pub detail: Option<String>,
    /// The provider's other keys.
    pub extra: Extra,
}

impl Part {
    /// A part that is text.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self::Text(TextPart { text: text.into(), extra: Extra::new() })
    }

    /// Its text, where it is text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(part) => Some(&part.text),
            Self::Image(_) | Self::Native(_) => None,
        }
    }
}

/// Takes `key` out of `map` if it holds text.
fn take_text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    match map.get(key) {
        Some(Value::String(text)) => {
            let text = text.clone();
            map.shift_remove(key);
            Some(text)
        }
        _ => None,
    }
}

impl From<Map<String, Value>> for Part {
    fn from(mut map: Map<String, Value>) -> Self {
        match map.get("type").and_then(Value::as_str) {
            Some("text") => match take_text(&mut map, "text") {
                Some(text) => {
                    map.shift_remove("type");
                    Self::Text(TextPart { text, extra: map })
                }
                None => Self::Native(map),
            },
            Some("image_url") => {
                let Some(Value::Object(image)) = map.get("image_url") else { return Self::Native(map) };
                let mut image = image.clone();
                let Some(url) = take_text(&mut image, "url") else { return Self::Native(map) };
                let detail = take_text(&mut image, "detail");
                if !image.is_empty() {
                    return Self::Native(map);
                }
                map.shift_remove("type");
                map.shift_remove("image_url");
                Self::Image(ImagePart { url, detail, extra: map })
            }
            _ => Self::Native(map),
        }
    }
}

impl From<Part> for Map<String, Value> {
    fn from(part: Part) -> Self {
        let mut map = Map::new();
        match part {
            Part::Text(TextPart { text, extra }) => {
                map.insert("type".to_owned(), json!("text"));
                map.insert("text".to_owned(), Value::String(text));
                map.extend(extra);
            }
            Part::Image(ImagePart { url, detail, extra }) => {
                let mut image = Map::new();
                image.insert("url".to_owned(), Value::String(url));
                image.extend(detail.map(|detail| ("detail".to_owned(), Value::String(detail))));
                map.insert("type".to_owned(), json!("image_url"));
                map.insert("image_url".to_owned(), Value::Object(image));
                map.extend(extra);
            }
            Part::Native(native) => map = native,
        }
        map
    }
}
