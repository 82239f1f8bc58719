//! Shows on real input what the host does, each step with the command that a user would type.

use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    anyhow::bail!("not yet")
}
