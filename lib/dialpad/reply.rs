//! Reads the messages of a reply while it arrives. The documentation shows two shapes of a reply,
//! but as a sketch that is not valid JSON. So all these forms are accepted:
//!
//! ```text
//! [{message}, …]    [{"messages":[…], …}, …]    {"messages":[…], …}    [] {} null and nothing
//! ```
//!
//! An object with an array `messages` and neither `text` nor `ts` is a wrapper; its other fields
//! can be passed on. An object with an error message is a temporary failure. Any other shape is an
//! error, never "no messages".

use std::io::Read;

use super::message::Message;
use crate::error::{Failure, Status};
use crate::json::array_stream::{ArrayError, Measured, Scanner};
use crate::json::object::Object;
use crate::net::http::{NetError, shown};
use crate::net::retry::Failed;

const ARRAY: &[u8] = b"\"messages\"";

/// The fields in which services put an error message.
const ERRORS: [&str; 7] = [
    "error",
    "errors",
    "errorMessage",
    "errorCode",
    "error_description",
    "exception",
    "fault",
];

/// An object with one of these fields is a message and not an error.
const OWN: [&str; 4] = ["text", "ts", "sessionid", "customersessionid"];

/// Why a reply could not be read to its end.
#[derive(Debug)]
pub(super) enum ReplyError {
    /// A temporary failure.
    Passing(Failed),
    /// A failure that a retry would not change.
    Final(anyhow::Error),
}

impl ReplyError {
    fn content(text: impl Into<String>) -> ReplyError {
        ReplyError::Passing(Failed::content(text, Status::Refused))
    }
}

impl From<anyhow::Error> for ReplyError {
    fn from(e: anyhow::Error) -> ReplyError {
        ReplyError::Final(e)
    }
}

/// A function that receives a message, its raw JSON, and the number of its wrapper (`None` if it
/// has no wrapper).
pub(super) type MessageVisitor<'e> =
    dyn FnMut(&Message<'_>, &str, Option<u32>) -> anyhow::Result<()> + 'e;

/// Calls `each` with every message of a reply. The other fields of each wrapper are added to
/// `wrappers`, as the text of an object without its braces.
pub(super) fn read(
    body: impl Read,
    wrappers: Option<&mut Vec<String>>,
    each: &mut MessageVisitor<'_>,
) -> Result<(), ReplyError> {
    let mut reply = ReplyReader {
        scanner: Scanner::new(body),
        count: 0,
        wrappers,
        line: String::new(),
        each,
    };
    reply.read()
}

struct ReplyReader<'r, 'e, R> {
    scanner: Scanner<R>,
    count: u64,
    wrappers: Option<&'r mut Vec<String>>,
    line: String,
    each: &'r mut MessageVisitor<'e>,
}

impl<R: Read> ReplyReader<'_, '_, R> {
    fn read(&mut self) -> Result<(), ReplyError> {
        let count = self.count;
        match self.begin()? {
            None => return Ok(()),
            Some(b'[') => {
                self.scanner.take(1);
                self.array(None)?;
            }
            Some(b'{') => match self.measure(Some(ARRAY))? {
                Measured::Array(length) => self.wrapper(length)?,
                Measured::Value(length) => {
                    let text = String::from_utf8_lossy(self.scanner.take(length)).into_owned();
                    expect_no_messages(&text)?;
                }
            },
            Some(b'n') if self.is_null() => return Ok(()),
            Some(_) => {
                let head = self.scanner.head();
                return Err(self.broken(ArrayError::NotAnArray(head)));
            }
        }
        self.scanner.expect_end(count).map_err(|e| self.broken(e))
    }

    /// Reads an array, after its opening bracket.
    fn array(&mut self, wrapper: Option<u32>) -> Result<(), ReplyError> {
        let mut within = 0;
        loop {
            match self.scanner.next_in_array(within) {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(e) => return Err(self.broken(e)),
            }
            within += 1;
            // A wrapper contains no other wrapper.
            let key = wrapper.is_none().then_some(ARRAY);
            match self.measure(key)? {
                Measured::Value(length) => self.message(length, wrapper)?,
                Measured::Array(length) => self.wrapper(length)?,
            }
        }
    }

    /// Reads a wrapper; `length` is the number of bytes before its array of messages.
    fn wrapper(&mut self, length: usize) -> Result<(), ReplyError> {
        let head = self.scanner.head_of(length);
        let mut fields = fields_of(&format!("{}null}}", &head[..head.len() - 1]))?;
        if fields.raw("text").or(fields.raw("ts")).is_some() {
            // This object is a message with its own field `messages`.
            return match self.measure(None)? {
                Measured::Value(length) | Measured::Array(length) => self.message(length, None),
            };
        }
        self.scanner.take(length);
        let number = self.wrappers.as_ref().map(|known| known.len() as u32);
        if let Some(known) = &mut self.wrappers {
            known.push(String::new());
        }
        self.array(Some(number.unwrap_or_default()))?;
        let mut tail = String::from("{\"messages\":null");
        self.tail(&mut tail)?;
        let after = fields_of(&tail)?;
        if after.raw("text").or(after.raw("ts")).is_some() {
            return Err(unknown(
                "an object that is a message and also has a list of messages",
            ));
        }
        fields.extend(after);
        fields.remove("messages");
        if let Some(error) = error_of(&fields) {
            return Err(ReplyError::content(error));
        }
        if let (Some(known), Some(number)) = (&mut self.wrappers, number) {
            let text = serde_json::to_string(&fields).map_err(anyhow::Error::from)?;
            known[number as usize] = text[1..text.len() - 1].to_owned();
        }
        Ok(())
    }

    /// Reads the rest of a wrapper after its array, to the closing brace.
    fn tail(&mut self, into: &mut String) -> Result<(), ReplyError> {
        loop {
            let byte = self.scanner.peek().map_err(|e| self.broken(e))?;
            if matches!(byte, b'}' | b',' | b':') {
                into.push(char::from(byte));
                self.scanner.take(1);
                if byte == b'}' {
                    return Ok(());
                }
                continue;
            }
            let Measured::Value(length) = self.measure(None)? else {
                return Err(unknown("an object that is not closed"));
            };
            let text = std::str::from_utf8(self.scanner.take(length));
            into.push_str(text.map_err(|_| unknown("text that is not UTF-8"))?);
        }
    }

    fn message(&mut self, length: usize, wrapper: Option<u32>) -> Result<(), ReplyError> {
        let place = |e: anyhow::Error| {
            ReplyError::Final(e.context(format!("message {} of the reply", self.count + 1)))
        };
        let json = std::str::from_utf8(self.scanner.take(length))
            .map_err(|e| place(crate::error::bad_input(format!("not UTF-8: {e}"))))?;
        if json.starts_with('{') && is_empty_wrapper(json) {
            return Ok(());
        }
        let message = match Message::parse(json) {
            Ok(message) => message,
            Err(e) => {
                let object = Object::parse(json.as_bytes()).ok();
                return Err(match object.as_ref().and_then(error_of) {
                    Some(error) => ReplyError::content(error),
                    None => place(e),
                });
            }
        };
        self.count += 1;
        if !json.contains(['\n', '\r']) {
            return Ok((self.each)(&message, json, wrapper)?);
        }
        // Each line break is white space between tokens: a line break in a string is escaped.
        self.line.clear();
        self.line
            .extend(json.chars().filter(|c| !matches!(c, '\n' | '\r')));
        Ok((self.each)(&message, &self.line, wrapper)?)
    }

    fn begin(&mut self) -> Result<Option<u8>, ReplyError> {
        self.scanner.begin().map_err(|e| self.broken(e))
    }

    fn measure(&mut self, key: Option<&[u8]>) -> Result<Measured, ReplyError> {
        let count = self.count;
        self.scanner
            .measure_to(key, count)
            .map_err(|e| self.broken(e))
    }

    /// Whether the reply is the word `null`. The reply is read to its end, because only the end of
    /// the reply ends the word.
    fn is_null(&mut self) -> bool {
        let _ = self.scanner.measure(0);
        self.scanner.head().trim_end() == "null"
    }

    fn broken(&self, e: ArrayError) -> ReplyError {
        match e {
            ArrayError::Read(e) => match NetError::of_body(&e).into_failed() {
                Ok(failed) => ReplyError::Passing(failed),
                Err(e) => ReplyError::Final(e),
            },
            ArrayError::Truncated => {
                ReplyError::Passing(Failed::content("the reply is cut off", Status::TryLater))
            }
            ArrayError::NotAnArray(head) if head.trim_start().starts_with('<') => {
                let text = "an HTML page instead of messages";
                ReplyError::Passing(Failed::content(text, Status::TryLater))
            }
            ArrayError::NotAnArray(head) => {
                let head: String = head.chars().take(60).collect();
                ReplyError::content(format!(
                    "the reply is not JSON: it begins '{}'",
                    shown(&head)
                ))
            }
            ArrayError::Malformed(_) => ReplyError::content(format!(
                "the reply is not JSON after {} messages",
                self.count
            )),
            ArrayError::TooLong => ReplyError::content("a message in the reply has no end"),
        }
    }
}

fn fields_of(json: &str) -> Result<Object, ReplyError> {
    Object::parse(json.as_bytes()).map_err(|_| ReplyError::content("the reply is not JSON"))
}

/// Whether an object is like `{"messages":null}`: a session without messages.
fn is_empty_wrapper(json: &str) -> bool {
    json.len() < 4096
        && json.contains("\"messages\"")
        && Object::parse(json.as_bytes()).is_ok_and(|object| {
            object.raw("messages") == Some("null")
                && object.raw("text").or(object.raw("ts")).is_none()
        })
}

/// The error message of an object; `None` if the object has none, or is a message.
fn error_of(object: &Object) -> Option<String> {
    let said = |name: &&str| {
        let value = object.raw(name)?;
        let is_empty = ["null", "false", "0", "\"\"", "[]", "{}"].contains(&value);
        (!is_empty).then(|| format!("{name} {value}"))
    };
    if OWN.iter().any(|name| object.raw(name).is_some()) {
        return None;
    }
    let error = ERRORS.iter().find_map(said)?;
    let message = said(&"message").map_or(String::new(), |text| format!(", {text}"));
    Some(format!(
        "the service says {}",
        shown(&format!("{error}{message}"))
    ))
}

/// Checks an object that was sent instead of an array. An empty object and an empty wrapper are
/// accepted. Any other object is an error, which is temporary if the object has an error message.
fn expect_no_messages(json: &str) -> Result<(), ReplyError> {
    let object = fields_of(json)?;
    if object.names().next().is_none() || is_empty_wrapper(json) {
        return Ok(());
    }
    if let Some(error) = error_of(&object) {
        return Err(ReplyError::content(error));
    }
    // The error shows only the names of fields, because values can be a customer's words.
    let names: Vec<&str> = object.names().take(8).collect();
    Err(unknown(&format!("an object of {}", names.join(", "))))
}

fn unknown(what: &str) -> ReplyError {
    let text = format!("the reply is not an array of messages, and contains none: {what}");
    ReplyError::Final(Failure::new(Status::Refused, text).into())
}

#[cfg(test)]
mod tests;
