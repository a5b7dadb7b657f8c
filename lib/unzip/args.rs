//! The flags that say what to take out of a ZIP.

use std::path::PathBuf;

use clap::Args;
use globset::Glob;

use crate::format::zip::ZipLimits;
use crate::lake::layout::LayoutArgs;
use crate::schema::SchemaArgs;

/// What to take out of a ZIP, and how.
#[derive(Args, Clone, Debug, Default)]
pub struct MemberArgs {
    /// Take only members whose whole name matches GLOB: `*` and `?` match `/`,
    /// too, as in unzip, because the vendor promises nothing about directories.
    /// Can be given more than once; a member is taken if any GLOB matches.
    #[arg(long, value_name = "GLOB")]
    pub member: Vec<Glob>,

    /// Write recordings, the members called `.wav`, to DIR and a line about each
    /// to stdout: path, bytes, sha256, group, account, timestamp, dialog_id,
    /// source and member. A recording that is there already is kept; one of the
    /// same name with other bytes gets another name. Without this option
    /// recordings are passed over and counted.
    #[arg(long, value_name = "DIR")]
    pub wav_dir: Option<PathBuf>,

    /// Wrap each line as {"source":…,"member":…,"line":N,"record":…}. The record
    /// keeps its bytes; blank lines and byte order marks are left out.
    #[arg(long)]
    pub with_source: bool,

    /// What an archive may declare.
    #[command(flatten)]
    pub limits: ZipLimits,

    /// Whether records go into files.
    #[command(flatten)]
    pub layout: LayoutArgs,

    /// Whether there is to be a report on what they look like.
    #[command(flatten)]
    pub schema: SchemaArgs,
}

impl MemberArgs {
    /// Whether records are looked into.
    pub(super) fn looks_inside(&self) -> bool {
        self.layout.layout.is_some() || self.schema.schema_report.is_some()
    }
}
