//! Grants in a process that has given its own rights away.

use std::fmt;
use std::path::PathBuf;

use super::grants::Grants;
use super::runtime::Sandbox;
use crate::isolation::Walls;

/// Something is granted that this process cannot give any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this host is isolated, and was started without {what}; start it again, or drive the execution by itself: kitaru-host executions retry"
)]
pub struct OutsideWalls {
    what: Right,
}

impl OutsideWalls {
    /// The same without paths of this machine.
    pub(super) fn for_guests(&self) -> String {
        let what = match self.what {
            Right::Read(_) => "the right to read a granted folder",
            Right::Write(_) => "the right to write in a granted folder",
            Right::Network => "a network",
        };
        format!("this host is isolated, and was started without {what}")
    }
}

/// A right that the process has not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Right {
    Read(PathBuf),
    Write(PathBuf),
    Network,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(folder) => write!(f, "the right to read `{}`", folder.display()),
            Self::Write(folder) => write!(f, "the right to write in `{}`", folder.display()),
            Self::Network => f.write_str("a network"),
        }
    }
}

impl Sandbox {
    /// Notes that this process has given away what is not within `walls`. The first word counts.
    pub fn stay_within(&self, walls: Walls) {
        let _ = self.walls.set(walls);
    }

    /// Checks that this process can still give what is granted: the kernel would refuse it in the middle of a body, and say less.
    ///
    /// # Errors
    /// With the first grant that it cannot give.
    pub(super) fn check_walls(&self, grants: &Grants) -> Result<(), OutsideWalls> {
        self.walls.get().map_or(Ok(()), |walls| check(walls, grants))
    }
}

fn check(walls: &Walls, grants: &Grants) -> Result<(), OutsideWalls> {
    let reach = grants.reach();
    let outside = |what| Err(OutsideWalls { what });
    if let Some(folder) = reach.read.into_iter().find(|folder| !walls.covers(folder, false)) {
        return outside(Right::Read(folder));
    }
    if let Some(folder) = reach.write.into_iter().find(|folder| !walls.covers(folder, true)) {
        return outside(Right::Write(folder));
    }
    if reach.network && !walls.network { outside(Right::Network) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_named() {
        let walls = Walls { read: vec!["/docs".into()], write: vec!["/out".into()], network: false };
        let grants = |read: &str, write: &str| Grants {
            read: vec![read.parse().unwrap()],
            write: vec![write.parse().unwrap()],
            ..Grants::default()
        };
        assert_eq!(check(&walls, &grants("/docs/a", "/out")), Ok(()));
        assert_eq!(check(&walls, &grants("/out", "/out/b")), Ok(()));
        let said = |grants| check(&walls, &grants).unwrap_err().to_string();
        assert!(said(grants("/etc", "/out")).contains("read `/etc`"));
        assert!(said(grants("/docs", "/docs")).contains("write in `/docs`"));
        assert!(said(Grants { net: vec!["a:1".parse().unwrap()], ..Grants::default() }).contains("network"));
        let open = Walls { network: true, ..walls };
        assert_eq!(check(&open, &Grants { net: vec!["a:1".parse().unwrap()], ..Grants::default() }), Ok(()));
    }
}
