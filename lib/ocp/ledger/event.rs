//! The lines of a ledger.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ocp::export_request::ExportRequest;
use crate::time::Timestamp;

/// What the lines of this program's ledgers mean.
pub(super) const VERSION: u32 = 1;

/// One line of the ledger: an event and when it happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LedgerEntry {
    #[serde(flatten)]
    pub(super) event: LedgerEvent,
    pub(super) at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum LedgerEvent {
    /// The first line: what the whole file depends on. A run that takes a ledger in a bucket
    /// over writes it again.
    Opened { version: u32, api_url: String },
    /// About to ask for an export; whether the service received it is not known yet.
    Creating(ExportRequest),
    /// The service gave the export an id.
    Created {
        #[serde(flatten)]
        request: ExportRequest,
        export_id: String,
    },
    /// The service will not make this export.
    Refused(ExportRequest),
    /// It can be downloaded, in pages of `page_size` files.
    Ready {
        export_id: String,
        num_of_files: u64,
        size_of_export: Option<u64>,
        page_size: u64,
    },
    /// About to download a page: it counts against the rate of the next run too.
    Requesting { export_id: String, page_number: u64 },
    /// A page is on disk, verified.
    Page {
        export_id: String,
        #[serde(flatten)]
        page: PageEntry,
    },
    /// A kept page is wrong: it must be downloaded again.
    Dropped { export_id: String, page_number: u64 },
    /// About to give a list of lines its name.
    Delivering(ListDelivery),
    /// That list did not get its name; its temporary file goes.
    Withdrawn { temp: PathBuf },
    /// Every page is on disk, and its lines were read or are on disk.
    Fetched { export_id: String },
    /// The ZIPs of a fetched export are removed, as the user asked.
    Pruned { export_id: String },
    /// This export can no longer be downloaded.
    Ended { export_id: String, status: String },
}

/// A ZIP on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEntry {
    /// Counted from 1.
    pub page_number: u64,
    /// Below the directory of downloads.
    pub file: String,
    /// The size of the file.
    pub bytes: u64,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// Files in the ZIP.
    pub members: u64,
}

/// The lines of some exports, in a file that gets its name by a rename.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListDelivery {
    /// The complete file before the rename; absolute.
    pub(crate) temp: PathBuf,
    /// The file after the rename; absolute.
    pub(crate) path: PathBuf,
    /// Exports whose lines are all in it.
    pub(crate) export_ids: Vec<String>,
}
