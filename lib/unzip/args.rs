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

    /// Write recordings (members whose names end in `.wav`) to DIR, and print a line about each
    /// recording. The line has path, bytes, sha256, group, account, timestamp, dialog_id, source
    /// and member. If DIR already has the recording, its file stays; a different recording with the
    /// same name gets a new name. Without this flag recordings are counted and skipped.
    #[arg(long, value_name = "DIR")]
    pub wav_dir: Option<PathBuf>,

    /// Wrap each line as {"source":…,"member":…,"line":N,"record":…}. The record keeps its bytes;
    /// blank lines and byte order marks are left out. If a line of export-fetch names the ZIP, a
    /// last line {"source":…,"records":N,"export":{…}} follows the lines of a ZIP that was read to
    /// its end. An export without ZIPs also has a last line. Last lines are not printed with
    /// --layout or --member, or if a recording was skipped.
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
    /// Whether the flags select the member `name`.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.member.is_empty() || self.member.iter().any(|glob| glob.matches(name))
    }

    /// Whether the fields of records are read.
    pub(super) fn looks_inside(&self) -> bool {
        self.layout.layout.is_some() || self.schema.schema_report.is_some()
    }

    /// Whether --with-source and --layout allow a line about a ZIP after its records.
    pub(super) fn says_ends(&self) -> bool {
        self.with_source && self.layout.layout.is_none()
    }
}

/// Shells expand `{a,b}` into two words. As a part of a glob, `{a,b}` would match only a name that
/// contains these braces.
fn parse_glob(text: &str) -> Result<Pattern, String> {
    if text.replace("[{]", "").contains('{') {
        return Err("braces have no meaning in a glob: repeat --member, or write [{]".to_owned());
    }
    Pattern::new(text).map_err(|error| error.to_string())
}
