//! Artifact kinds and blobs. The calls that save and load them are in `checkpoint`.

use std::fmt;
use std::str::FromStr;

/// What an artifact is to its readers.
///
/// ```
/// use kitaru::Kind;
/// assert_eq!(" Context ".parse::<Kind>()?, Kind::Context);
/// assert_eq!(Kind::Context.as_str(), "context");
/// # Ok::<(), kitaru::UnknownKind>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What a model was asked.
    Prompt,
    /// What a model answered.
    Response,
    /// Material that work was based on.
    Context,
    /// Something that came in.
    Input,
    /// Something that was made.
    Output,
    /// Bytes with a media type.
    Blob,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Blob, Self::Context, Self::Input, Self::Output, Self::Prompt, Self::Response];

    /// The kind as the host and its surfaces write it.
    ///
    /// ```
    /// assert_eq!(kitaru::Kind::Prompt.as_str(), "prompt");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Response => "response",
            Self::Context => "context",
            Self::Input => "input",
            Self::Output => "output",
            Self::Blob => "blob",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    /// Surrounding space and case do not matter.
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let wanted = text.trim();
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownKind { text: text.to_owned() })
    }
}

/// A text that names no [`Kind`].
///
/// ```
/// let error = "picture".parse::<kitaru::Kind>().unwrap_err();
/// assert!(error.to_string().ends_with("expected one of: blob, context, input, output, prompt, response"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind {
    text: String,
}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        write!(f, "`{}` is no artifact kind; expected one of: {}", self.text, expected.join(", "))
    }
}

impl std::error::Error for UnknownKind {}

/// Bytes, and what they are.
///
/// ```
/// let blob = kitaru::Blob { media_type: "text/csv".into(), bytes: b"a,b".to_vec() };
/// assert_eq!(blob.bytes.len(), 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Such as `image/png`.
    pub media_type: String,
    /// The content.
    pub bytes: Vec<u8>,
}
