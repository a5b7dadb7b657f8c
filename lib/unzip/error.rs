//! What keeps a member from its end.

use std::io;

use crate::format::zip;

/// What ends a member: its own fault, or that nothing can be written any more.
#[derive(Debug)]
pub(super) enum Ending {
    Source(zip::Error),
    Fatal(anyhow::Error),
}

impl From<zip::Error> for Ending {
    fn from(e: zip::Error) -> Ending {
        Ending::Source(e)
    }
}

impl From<anyhow::Error> for Ending {
    fn from(e: anyhow::Error) -> Ending {
        Ending::Fatal(e)
    }
}

impl From<io::Error> for Ending {
    fn from(e: io::Error) -> Ending {
        Ending::Fatal(e.into())
    }
}
