//! What a flow's or checkpoint's function returns.

use crate::{Error, Result};

/// A result whose error converts into [`Error`].
#[diagnostic::on_unimplemented(
    message = "the error of `{Self}` does not convert into `kitaru::Error`",
    label = "returned by a flow or checkpoint",
    note = "an error converts if it implements `std::error::Error` and is `Send + Sync`",
    note = "otherwise return `Result<T>` and make the error with `err!`"
)]
pub trait Outcome {
    /// The value of success.
    type Value;

    /// The same with the SDK's error.
    fn into_result(self) -> Result<Self::Value>;
}

#[diagnostic::do_not_recommend]
impl<T, E: Into<Error>> Outcome for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T> {
        self.map_err(Into::into)
    }
}
