//! What keeps a member from its end.

use std::io;

use crate::archive;

/// What ends a member: its own fault, or that nothing can be written any more.
#[derive(Debug)]
pub(super) enum Ending {
    Source(archive::Error),
    Fatal(anyhow::Error),
}

impl From<archive::Error> for Ending {
    fn from(e: archive::Error) -> Ending {
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
