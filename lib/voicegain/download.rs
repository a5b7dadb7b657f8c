//! Downloads one recording, and gives its file a name only when the recording is complete. It is
//! complete if it has the length that the reply or the RIFF header declares, or if its chunked body
//! has ended. If another host serves the recording, this host gets no token.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::api::{VoicegainApi, refusal};
use crate::error::{self, Status};
use crate::net::client::{ApiCall, Sent};
use crate::net::http::{Reply, Url};
use crate::net::retry::Failed;
use crate::os::files::{self, NamedTempFile};

/// A request for a recording counts as this many requests, as the vendor's article on rate limiting
/// says. The vendor's release notes once said 1.
const UNITS: usize = 10;

/// Media types and the extensions of their files.
const TYPES: [(&str, &str); 10] = [
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/wave", "wav"),
    ("audio/vnd.wave", "wav"),
    ("audio/mpeg", "mp3"),
    ("audio/x-ms-wma", "wma"),
    ("audio/ogg", "ogg"),
    ("audio/flac", "flac"),
    ("audio/mp4", "m4a"),
    ("audio/webm", "webm"),
];

/// The first bytes of a file, and the extension that a file with these bytes gets.
const HEADS: [(&[u8], &str); 5] = [
    (b"RIFF", "wav"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
];

/// The extension for an unknown type.
const OTHER: &str = "bin";

/// All extensions that a recording can have.
pub(super) const EXTENSIONS: [&str; 8] = ["wav", "mp3", "wma", "ogg", "flac", "m4a", "webm", OTHER];

/// The result of a download.
#[derive(Debug)]
pub(super) enum RecordingDownload {
    /// The file is complete, with this many bytes.
    File(u64),
    /// The recording does not exist any more: the service answered with this HTTP status.
    Gone(u16),
    /// The token may not read the recording.
    Forbidden(anyhow::Error),
    /// The download failed, but can succeed next time.
    Failed {
        error: anyhow::Error,
        /// Whether the service or the network failed, so that the next recording
        /// probably fails, too.
        is_of_service: bool,
    },
}

/// Downloads `url` to the file `stem` in `dir`, with an extension for its type. Fails only if all
/// recordings would fail, for example with HTTP 401 or a full disk.
pub(super) fn download(
    api: &VoicegainApi,
    url: Url,
    dir: &Path,
    stem: &str,
) -> anyhow::Result<RecordingDownload> {
    let failed = |error, is_of_service| {
        Ok(RecordingDownload::Failed {
            error,
            is_of_service,
        })
    };
    let mut part = PartialRecording::new(dir.join(stem))?;
    let call = ApiCall {
        units: UNITS,
        ..ApiCall::get(url, "audio/*, */*;q=0.5")
    };
    let mut tries = api.retry().tries(&call.what);
    loop {
        let again = match part.request(api, &call) {
            Ok(RequestStep::Whole(bytes)) => {
                let path = dir.join(format!("{stem}.{}", part.extension));
                files::commit(part.file, &path)?;
                return Ok(RecordingDownload::File(bytes));
            }
            Ok(RequestStep::Ended(ended)) => return Ok(ended),
            Ok(RequestStep::Again(again)) => again,
            // The service redirects to an address that cannot be requested. Perhaps it does so only
            // for this recording.
            Err(error) if Status::of(&error) == Status::Refused => return failed(error, true),
            Err(e) => return Err(e),
        };
        let is_throttled = again.code == Some(429);
        if let Err(error) = tries.again(again) {
            api.retry().stop().check()?;
            return match is_throttled {
                true => Err(error),
                false => failed(error, true),
            };
        }
    }
}

/// The result of one request.
enum RequestStep {
    /// The file is complete, with this many bytes.
    Whole(u64),
    Ended(RecordingDownload),
    /// The request must be sent again.
    Again(Failed),
}

/// The part of a recording that has arrived.
struct PartialRecording {
    file: NamedTempFile,
    /// The path of the final file without the extension.
    stem: PathBuf,
    /// The version of the file, as the service names it.
    version: Option<String>,
    extension: &'static str,
}

impl PartialRecording {
    fn new(stem: PathBuf) -> anyhow::Result<PartialRecording> {
        Ok(PartialRecording {
            file: files::temp_beside(&stem)?,
            stem,
            version: None,
            extension: OTHER,
        })
    }

    /// Starts again with an empty file.
    fn clear(&mut self) -> anyhow::Result<()> {
        *self = PartialRecording::new(std::mem::take(&mut self.stem))?;
        Ok(())
    }

    /// Empties the file, because the reply is not the requested recording; the request must be sent
    /// again.
    fn refuse(&mut self, why: String) -> anyhow::Result<RequestStep> {
        self.clear()?;
        Ok(RequestStep::Again(Failed::content(why, Status::TryLater)))
    }

    fn place(&self) -> String {
        format!("writing to {}", self.stem.display())
    }

    /// Requests the rest of the recording, and appends it to the file.
    fn request(&mut self, api: &VoicegainApi, call: &ApiCall<'_>) -> anyhow::Result<RequestStep> {
        let length = self.file.as_file().metadata();
        let have = length.with_context(|| self.place())?.len();
        let mut headers = Vec::new();
        // If the version of the file is not known, the whole recording is requested: a rest could
        // belong to another version.
        if let (Some(version), 1..) = (&self.version, have) {
            headers.push(("range".to_owned(), format!("bytes={have}-")));
            headers.push(("if-range".to_owned(), version.clone()));
        }
        let call = ApiCall {
            what: call.what.clone(),
            url: call.url.clone(),
            headers: &headers,
            ..*call
        };
        let mut reply = match api.client().once(&call)? {
            Sent::Reply(reply) => reply,
            Sent::Failed(failed) => return Ok(RequestStep::Again(failed)),
        };
        match reply.status {
            200 => self.clear()?,
            206 if !headers.is_empty() && self.continues(&reply, have) => {}
            206 | 416 => {
                return self
                    .refuse("the service sent a different part of the recording".to_owned());
            }
            _ => return ended(&call.what, &mut reply).map(RequestStep::Ended),
        }
        self.receive(&mut reply)
    }

    /// Whether the part in a reply begins at byte `have`. If the ETags of the file and of the reply
    /// are both known, they must be equal, too.
    fn continues(&self, reply: &Reply, have: u64) -> bool {
        let range = reply.header("content-range").unwrap_or_default();
        let ours = self.version.as_deref().filter(|ours| ours.starts_with('"'));
        let is_same = match (ours, reply.header("etag")) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        is_same && range.starts_with(&format!("bytes {have}-"))
    }

    fn receive(&mut self, reply: &mut Reply) -> anyhow::Result<RequestStep> {
        let kind = reply.content_type.clone().unwrap_or_default();
        if is_text(&kind) {
            return self.refuse(format!("the reply is {kind} and not a recording"));
        }
        if reply.status == 200 {
            self.version = version_of(reply);
        }
        let end = self.file.as_file_mut().seek(SeekFrom::End(0));
        let have = end.with_context(|| self.place())?;
        let copied = reply.copy_to(&mut self.file, u64::MAX);
        let copied = match copied.with_context(|| self.place())? {
            Ok(copied) => copied,
            Err(e) => return e.into_failed().map(RequestStep::Again),
        };
        let bytes = have + copied;
        let head = self.head().with_context(|| self.place())?;
        if bytes == 0 {
            return self.refuse("the reply is empty".to_owned());
        }
        if !is_audio(&kind) && looks_like_text(&head) {
            return self.refuse("the reply is text and not a recording".to_owned());
        }
        self.extension = extension(&kind, &head);
        if is_whole(reply, copied, bytes, &head) {
            return Ok(RequestStep::Whole(bytes));
        }
        let why = format!("the reply ends after {bytes} bytes");
        match reply.status {
            // The rest of the recording can still be requested.
            206 => Ok(RequestStep::Again(Failed::content(why, Status::TryLater))),
            _ => self.refuse(format!("{why}, and does not declare its length")),
        }
    }

    /// The first bytes of the file, up to 12.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let file = self.file.as_file_mut();
        file.seek(SeekFrom::Start(0))?;
        file.take(12).read_to_end(&mut head)?;
        Ok(head)
    }
}

/// The result for an HTTP status that brings no recording.
fn ended(what: &str, reply: &mut Reply) -> anyhow::Result<RecordingDownload> {
    let failed = |error| {
        Ok(RecordingDownload::Failed {
            error,
            is_of_service: false,
        })
    };
    match reply.status {
        404 | 410 => Ok(RecordingDownload::Gone(reply.status)),
        401 => Err(refusal(what, reply)),
        403 => Ok(RecordingDownload::Forbidden(refusal(what, reply))),
        201..=299 => failed(error::try_later(format!(
            "{what}: HTTP {}: the recording is not ready yet",
            reply.status
        ))),
        _ => failed(refusal(what, reply)),
    }
}

/// The version of a file: its strong ETag, else the time of its last change.
fn version_of(reply: &Reply) -> Option<String> {
    let tag = reply.header("etag").filter(|tag| tag.starts_with('"'));
    tag.or(reply.header("last-modified")).map(str::to_owned)
}

/// Whether a body that has ended is certainly the whole recording.
fn is_whole(reply: &Reply, copied: u64, bytes: u64, head: &[u8]) -> bool {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    if reply.status == 206 {
        let range = reply.header("content-range").unwrap_or_default();
        let total = range.rsplit_once('/').and_then(|(_, total)| number(total));
        return total.map_or(riff_length(head) == Some(bytes), |total| total == bytes);
    }
    match reply.header("content-length").and_then(number) {
        Some(length) => length == copied,
        None => reply.is_delimited() || riff_length(head).is_some_and(|length| length == bytes),
    }
}

/// The length of a RIFF file, as its first bytes say.
fn riff_length(head: &[u8]) -> Option<u64> {
    let size = head.strip_prefix(b"RIFF")?.first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*size)) + 8)
}

/// Whether a media type is text: a web page or an error message.
fn is_text(kind: &str) -> bool {
    let kind = kind.trim_start().to_ascii_lowercase();
    kind.starts_with("text/") || kind.contains("json") || kind.contains("xml")
}

fn is_audio(kind: &str) -> bool {
    let kind = kind.trim_start().to_ascii_lowercase();
    kind.starts_with("audio/") || kind.starts_with("video/")
}

fn looks_like_text(head: &[u8]) -> bool {
    let first = head.trim_ascii_start().first();
    first.is_none_or(|byte| b"<{".contains(byte))
}

fn extension(kind: &str, head: &[u8]) -> &'static str {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let by_type = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(kind));
    let by_head = || HEADS.iter().find(|(known, _)| head.starts_with(known));
    match (by_type, by_head()) {
        (Some((_, extension)), _) | (None, Some((_, extension))) => extension,
        (None, None) => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_of_the_type_or_of_the_bytes() {
        for (kind, expected) in [
            ("audio/mpeg", "mp3"),
            ("Audio/X-MS-WMA; x=y", "wma"),
            ("application/octet-stream", "ogg"),
            ("", "ogg"),
        ] {
            assert_eq!(extension(kind, b"OggS...."), expected, "{kind}");
        }
        assert_eq!(extension("", b""), "bin");
        let known = TYPES.iter().chain([&("", OTHER)]);
        assert!(
            known
                .into_iter()
                .all(|(_, extension)| EXTENSIONS.contains(extension))
        );
    }

    #[test]
    fn a_riff_file_says_how_long_it_is() {
        assert_eq!(riff_length(b"RIFF\x24\0\0\0WAVE"), Some(44));
        assert_eq!(riff_length(b"RIFF\x24"), None);
        assert_eq!(riff_length(b"OggS\x24\0\0\0"), None);
    }

    #[test]
    fn a_page_is_no_recording() {
        for kind in [
            "text/html",
            " Text/Plain;x=y",
            "application/problem+json",
            "application/xml",
        ] {
            assert!(is_text(kind), "{kind}");
        }
        for kind in ["", "audio/wav", "application/octet-stream", "video/mp4"] {
            assert!(!is_text(kind), "{kind}");
        }
    }
}
