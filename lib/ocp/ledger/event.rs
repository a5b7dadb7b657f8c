//! The lines of a ledger.

use serde::{Deserialize, Serialize};

use crate::ocp::export_request::ExportRequest;
use crate::time::Timestamp;

/// What the lines of this program's ledgers mean.
pub(super) const VERSION: u32 = 1;

/// One line of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum LedgerEvent {
    /// The first line: what the whole file depends on.
    Opened {
        version: u32,
        api_url: String,
        at: Timestamp,
    },
    /// About to ask for an export; whether it was heard is not known yet.
    Creating {
        #[serde(flatten)]
        order: ExportRequest,
        at: Timestamp,
    },
    /// The service gave the export a name.
    Created {
        #[serde(flatten)]
        order: ExportRequest,
        export_id: String,
        at: Timestamp,
    },
    /// The service will not make this export.
    Refused {
        #[serde(flatten)]
        order: ExportRequest,
        at: Timestamp,
    },
    /// It can be downloaded, in pages of `page_size` files.
    Ready {
        export_id: String,
        num_of_files: u64,
        size_of_export: u64,
        page_size: u64,
        at: Timestamp,
    },
    /// About to download a page: it counts against the rate of the next run too.
    Requesting {
        export_id: String,
        page_number: u64,
        at: Timestamp,
    },
    /// A page is on disk, verified.
    Page {
        export_id: String,
        #[serde(flatten)]
        page: PageEntry,
        at: Timestamp,
    },
    /// A kept page is not to be used: it is to be downloaded again.
    Dropped {
        export_id: String,
        page_number: u64,
        at: Timestamp,
    },
    /// Every page is on disk and its lines have left.
    Fetched { export_id: String, at: Timestamp },
    /// Nothing more can be had from this export.
    Ended {
        export_id: String,
        status: String,
        at: Timestamp,
    },
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
