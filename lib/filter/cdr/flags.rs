//! The flags as they are typed.

use clap::{Args, ValueEnum};

/// The flags. Of one flag given twice either value will do; two different flags
/// must both hold.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Call detail records")]
pub struct CdrArgs {
    /// Keep records of this `message_type`: dialog_start, dialog_step,
    /// dialog_end, vb_enrolment …
    ///
    /// This and the next five flags may be given several times, and any of the
    /// values will do; different flags must all hold. Values are compared as they
    /// are. An empty value ('') matches what says nothing: no such field, null,
    /// "", "undefined" or "null".
    #[arg(long = "type", value_name = "TYPE")]
    pub message_type: Vec<String>,

    /// Keep records of this OCP group. `flow.ocp_group_name` or `group_name`
    /// decides where it says something; otherwise `flow.organization`, or what
    /// follows the last dot in `app.name` or in `flow.id`, may be it. `group` is
    /// not looked at: in a dialog's record it is the id that the dialogs of one
    /// call share.
    #[arg(long, value_name = "GROUP")]
    pub ocp_group: Vec<String>,

    /// Keep records of this application, `app.name`.
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

    /// Keep records with a key-value pair in `kvps` of this KEY and VALUE, at
    /// whichever step. Numbers compare by their text. May be given several times,
    /// for any of them; an empty VALUE as above.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub kvp: Vec<(String, String)>,

    /// Keep records of root flows only, where `flow.parent_step` is 0 and
    /// `flow.type` is "Flow".
    #[arg(long)]
    pub root: bool,

    /// Keep records from this time on: RFC 3339, YYYY-MM-DD with or without
    /// hh:mm:ss (UTC unless it has a zone), epoch seconds or milliseconds, now,
    /// -60d, now-2h.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,

    /// Keep records before this time; it is not included itself.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub to: Option<String>,

    /// The instant that --from and --to are about. `time` of a dialog_end is when
    /// the dialog started; its end is `time` + `duration`. Other records have one
    /// instant.
    #[arg(long, value_name = "INSTANT", default_value = "start")]
    pub at: Instant,

    /// The field that holds the time, in milliseconds since 1970 or as RFC 3339.
    /// Voice biometrics have no `time`, but `voiceprint.creation_ts`.
    #[arg(long, value_name = "PATH", default_value = "time")]
    pub time_field: String,

    /// What --from and --to do with a record whose time is missing or unreadable.
    /// How many were dropped is said at the end.
    #[arg(long, value_name = "ACTION", default_value = "drop")]
    pub without_time: WithoutTime,
}

/// Of a dialog that took a while, the instant that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Instant {
    /// When it began.
    #[default]
    Start,
    /// When it was over.
    End,
}

/// What becomes of a record without a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WithoutTime {
    /// It is not passed on.
    #[default]
    Drop,
    /// It is passed on.
    Keep,
    /// It is a bad record.
    Reject,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write KEY=VALUE".to_owned())
}
