//! The flags that select the content of a ZIP.

use std::path::PathBuf;

use clap::Args;
use glob::Pattern;

use crate::format::zip::ZipLimits;
use crate::lake::layout::LayoutArgs;
use crate::schema::SchemaArgs;

/// The flags that select members of a ZIP, and set how they are read.
#[derive(Args, Clone, Debug, Default)]
pub struct MemberArgs {
    /// Read only members whose whole name matches GLOB. `*` and `?` also match `/`, as in
    /// unzip. May be repeated: one of the globs must match.
    #[arg(long, value_name = "GLOB", value_parser = parse_glob)]
    pub member: Vec<Pattern>,

    /// Write recordings (members named `.wav`) to DIR, and print a line about each recording. The
    /// line has path, bytes, sha256, group, account, timestamp, dialog_id, source and member. A
    /// recording that exists already is kept; another one with the same name gets a new name.
    /// Without this flag recordings are counted and skipped.
    #[arg(long, value_name = "DIR")]
    pub wav_dir: Option<PathBuf>,

    /// Wrap each line as {"source":…,"member":…,"line":N,"record":…}. The record keeps its bytes;
    /// blank lines and byte order marks are left out. If a line of export-fetch names the ZIP, a
    /// last line {"source":…,"records":N,"export":{…}} follows when the whole ZIP was read. An
    /// export without ZIPs has a last line too. Last lines are not printed with --layout or
    /// --member, or if a recording was skipped.
    #[arg(long)]
    pub with_source: bool,

    /// The limits for a ZIP.
    #[command(flatten)]
    pub limits: ZipLimits,

    /// The flags for writing records into files.
    #[command(flatten)]
    pub layout: LayoutArgs,

    /// The flag for a report that describes the records.
    #[command(flatten)]
    pub schema: SchemaArgs,
}

impl MemberArgs {
    /// Whether the member of this name is to be read.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.member.is_empty() || self.member.iter().any(|glob| glob.matches(name))
    }

    /// Whether the fields of records are read.
    pub(super) fn looks_inside(&self) -> bool {
        self.layout.layout.is_some() || self.schema.schema_report.is_some()
    }

    /// Whether a line may follow the records of a ZIP.
    pub(super) fn says_ends(&self) -> bool {
        self.with_source && self.layout.layout.is_none()
    }
}

/// Shells expand `{a,b}` into two words. As a glob it would match only a name with braces.
fn parse_glob(text: &str) -> Result<Pattern, String> {
    if text.replace("[{]", "").contains('{') {
        return Err("braces have no meaning in a glob: repeat --member, or write [{]".to_owned());
    }
    Pattern::new(text).map_err(|error| error.to_string())
}
