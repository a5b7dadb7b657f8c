//! The flags on the command line that are about call detail records.

use clap::{Args, ValueEnum};

/// The flags that select call detail records. If a flag is given twice, one of its values must
/// match; different flags must all match.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Call detail records")]
pub struct CdrArgs {
    /// Keep records of this `message_type`: dialog_start, dialog_step, dialog_end …
    ///
    /// This flag, --ocp-group, --app, --channel, --end-type and --locale may be repeated: one of
    /// the values must match. If several of these flags are given, each must match. Values are
    /// compared exactly. An empty value ('') matches a field that is missing, null, "", "undefined"
    /// or "null".
    #[arg(long = "type", value_name = "TYPE")]
    pub message_type: Vec<String>,

    /// Keep records of this OCP group. The group is `flow.ocp_group_name` or `group_name`. If both
    /// fields are empty, `flow.organization` or the part after the last dot in `app.name` or
    /// `flow.id` must match. The field `group` is not used: in a dialog's record it is the id that
    /// the dialogs of one call share.
    #[arg(long, value_name = "GROUP")]
    pub ocp_group: Vec<String>,

    /// Keep records of this application (`app.name`).
    #[arg(long, value_name = "NAME")]
    pub app: Vec<String>,

    /// Keep records of this `channel`: omIVR, chat, miniapps …
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Vec<String>,

    /// Keep records with this `end_type`: NEAR_HUP, FAR_HUP, TRANSFER, NORMAL …
    #[arg(long, value_name = "TYPE")]
    pub end_type: Vec<String>,

    /// Keep records of this `locale`: en-US, el-GR …
    #[arg(long, value_name = "LOCALE")]
    pub locale: Vec<String>,

    /// Keep records that have this pair in `kvps`, at any step. Numbers are compared as
    /// text. May be repeated: one of the pairs must match. An empty VALUE works as for
    /// --type.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub kvp: Vec<(String, String)>,

    /// Keep only records of root flows: one record for each call. Root flows have
    /// `flow.parent_step` 0 and `flow.type` "Flow".
    #[arg(long)]
    pub root: bool,

    /// Keep records from TIME on, for example -60d or 2026-11-01. TIME may also be RFC 3339,
    /// YYYY-MM-DD hh:mm:ss, epoch seconds or milliseconds, now, now-2h, yesterday or today. A time
    /// without a zone is UTC; yesterday and today are days of --tz.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,

    /// Keep records before TIME, which is not included.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,

    /// Compare --from and --to with the start or the end of a dialog. `time` of a dialog_end is the
    /// start; the end is `time` + `duration`. Other records have only one time.
    #[arg(long, value_name = "INSTANT", default_value = "start")]
    pub at: Instant,

    /// The field that holds the time, in milliseconds since 1970 or as RFC 3339. Records of voice
    /// biometrics have `voiceprint.creation_ts` instead of `time`.
    #[arg(long, value_name = "PATH", default_value = "time")]
    pub time_field: String,

    /// What to do with a record whose time is missing or unreadable, if --from or --to is given. A
    /// message at the end counts the dropped records.
    #[arg(long, value_name = "ACTION", default_value = "drop")]
    pub without_time: WithoutTime,
}

/// The time of a dialog that is compared with the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Instant {
    /// The start of the dialog.
    #[default]
    Start,
    /// The end of the dialog.
    End,
}

/// What to do with a record without a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WithoutTime {
    /// Leave the record out.
    #[default]
    Drop,
    /// Keep the record as if its time matched.
    Keep,
    /// Treat the record as bad.
    Reject,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write KEY=VALUE".to_owned())
}
