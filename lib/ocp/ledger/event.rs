//! The lines of a ledger.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::bucket::address::BucketUrl;
use crate::ocp::export_request::ExportRequest;
use crate::time::Timestamp;

/// The format version of the ledgers of this program.
pub(super) const VERSION: u32 = 1;

/// One line of the ledger: an event and its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LedgerEntry {
    #[serde(flatten)]
    pub(super) event: LedgerEvent,
    pub(super) at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum LedgerEvent {
    /// The first line: the version and the service of the whole ledger. A run that takes over a
    /// ledger in a bucket writes this event again.
    Opened { version: u32, api_url: String },
    /// A create will be sent. The ledger does not show yet whether the service received the create.
    Creating(ExportRequest),
    /// The service returned an id.
    Created {
        #[serde(flatten)]
        request: ExportRequest,
        export_id: String,
    },
    /// The service refuses this export.
    Refused(ExportRequest),
    /// The export can be downloaded, in pages of `page_size` files.
    Ready {
        export_id: String,
        num_of_files: u64,
        size_of_export: Option<u64>,
        page_size: u64,
    },
    /// A page will be downloaded. The request for this page also counts towards the rate of the
    /// next run.
    Requesting { export_id: String, page_number: u64 },
    /// A page is on disk and verified.
    Page {
        export_id: String,
        #[serde(flatten)]
        page: PageEntry,
    },
    /// A stored page is wrong and must be downloaded again.
    Dropped { export_id: String, page_number: u64 },
    /// A list of lines will get its name or will be uploaded.
    Delivering(ListDelivery),
    /// The list did not get its name, or is not in its bucket. If the list has a temporary file,
    /// this file will be deleted.
    Withdrawn { temp: PathBuf },
    /// Every page of the export is on disk. The lines of all pages are on disk or in a bucket, or
    /// the reader of the pipe has read them.
    Fetched { export_id: String },
    /// The ZIPs of a fetched export will be deleted, as the user asked.
    Pruned { export_id: String },
    /// This export can no longer be downloaded.
    Ended { export_id: String, status: String },
}

/// A ZIP on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEntry {
    /// The number of the page, counted from 1.
    pub page_number: u64,
    /// The path below the directory of downloads.
    pub file: String,
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The number of files in the ZIP.
    pub members: u64,
}

/// A list: the lines of some exports, in a file or in an object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListDelivery {
    /// The absolute path of the temporary file. For an object: its address and SHA-256, as an id of
    /// the list.
    pub(crate) temp: PathBuf,
    /// The absolute path of the list, or the address of the object.
    pub(crate) path: PathBuf,
    /// The exports whose lines are all in the list.
    pub(crate) export_ids: Vec<String>,
    /// Only for an object: the SHA-256 of its content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

impl ListDelivery {
    /// A list in the object at `url`; `sha256` is the checksum of the object's content.
    pub(crate) fn object(url: &BucketUrl, sha256: String, export_ids: Vec<String>) -> ListDelivery {
        ListDelivery {
            temp: format!("{url}#{sha256}").into(),
            path: url.to_string().into(),
            export_ids,
            sha256: Some(sha256),
        }
    }

    /// The address and the SHA-256 of the object; `None` if the list is in a file.
    pub(super) fn as_object(&self) -> Option<(BucketUrl, &str)> {
        let sha256 = self.sha256.as_deref()?;
        let url = BucketUrl::parse(self.path.to_str()?).ok()?;
        Some((url, sha256))
    }
}
