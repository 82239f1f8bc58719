//! The textual form of grants, in which they are written, recorded and shown.

/// A grant that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a grant: {problem}")]
pub struct GrantError {
    pub(super) text: String,
    pub(super) problem: &'static str,
}

macro_rules! text_form {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = GrantError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(grant: $name) -> Self {
                grant.to_string()
            }
        }
    )*};
}

pub(super) use text_form;
