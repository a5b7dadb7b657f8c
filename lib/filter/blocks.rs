//! Reads inputs as blocks of whole lines.
//!
//! A block contains the bytes of one read, up to the last newline in them. The bytes after that
//! newline start the next block. So a record of a live stream is passed on at once, and a file is
//! read in large blocks. A block grows only if a line is longer than the block.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::json::joined::Joiner;
use crate::os::blocking::Blocking;
use crate::os::{pipes, readiness};

/// The sizes for reading. Tests use other sizes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The size of one read, in bytes.
    pub block: usize,
    /// The longest line, in bytes.
    pub line: usize,
}

/// Whole lines of one input.
#[derive(Debug, Default)]
pub struct LineBlock {
    bytes: Vec<u8>,
    length: usize,
    /// The input's name.
    pub source: Arc<str>,
    /// The offset of the block in the input, in bytes.
    pub offset: u64,
    /// The error that ended the input after this block; `None` if there is no error.
    pub fault: Option<Fault>,
}

/// Why an input cannot be read to its end.
#[derive(Debug)]
pub enum Fault {
    /// The system reported an error.
    Io(io::Error),
    /// A line is longer than this number of bytes.
    LongLine(usize),
}

/// Splits inputs into blocks.
#[derive(Debug)]
pub struct Inputs {
    files: VecDeque<PathBuf>,
    open: Option<Open>,
    sizes: Sizes,
    /// The start of a line whose end has not been read yet.
    carry: Vec<u8>,
    stop: Option<PipeReader>,
    /// Whether a JSON value is allowed to extend over several lines.
    joins: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    source: Arc<str>,
    offset: u64,
    joiner: Option<Joiner>,
}

impl LineBlock {
    /// The lines.
    pub fn lines(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Inputs {
    /// Reads these files; `-` is stdin.
    pub fn new(files: &[PathBuf], sizes: Sizes) -> Inputs {
        Inputs {
            files: files.iter().cloned().collect(),
            open: None,
            sizes,
            carry: Vec::new(),
            stop: None,
            joins: false,
        }
    }

    /// Joins the lines of a JSON value that extends over several lines.
    pub(super) fn join_values(&mut self) {
        self.joins = true;
    }

    /// Makes reading stop when the other end of `stop` is closed, even if a read waits for data.
    pub(super) fn stop_with(&mut self, stop: PipeReader) {
        self.stop = Some(stop);
    }

    /// Whether the next read returns without waiting. True if no input is open.
    pub(super) fn is_ready(&self) -> bool {
        let open = self.open.as_ref();
        open.is_none_or(|open| readiness::is_ready(&open.file))
    }

    /// Reads the next block, and reuses the memory of `block`. Returns false after the last input,
    /// or when reading was stopped.
    pub fn fill(&mut self, block: &mut LineBlock) -> bool {
        block.length = 0;
        block.fault = None;
        while block.length == 0 && block.fault.is_none() {
            if self.open.is_none() {
                let Some(path) = self.files.pop_front() else {
                    return false;
                };
                block.source = path_name(&path).into();
                block.offset = 0;
                match open(&path) {
                    Ok(file) => {
                        self.open = Some(Open {
                            file,
                            source: block.source.clone(),
                            offset: 0,
                            joiner: self.joins.then(Joiner::default),
                        });
                    }
                    Err(e) => block.fault = Some(Fault::Io(e)),
                }
                continue;
            }
            if self.is_stopped() {
                return false;
            }
            self.read(block);
        }
        true
    }

    /// Reads until the block contains the end of a line; usually one read is enough. Ends earlier
    /// at the end of the input, at a fault, or when reading is stopped.
    fn read(&mut self, block: &mut LineBlock) {
        let Some(open) = &mut self.open else { return };
        block.source = open.source.clone();
        block.offset = open.offset;
        let bytes = &mut block.bytes;
        // After a long line was decided, most of the memory that it took is freed.
        if bytes.len() > 4 * self.sizes.block {
            bytes.truncate(self.sizes.block);
            bytes.shrink_to_fit();
        }
        let mut end = self.carry.len();
        // The memory grows to at most one byte more than the longest line. So a line that fills
        // this memory is too long.
        let room = self.sizes.line + 1;
        bytes.resize(bytes.len().max(self.sizes.block.min(room)).max(end + 1), 0);
        bytes[..end].copy_from_slice(&self.carry);
        self.carry.clear();
        self.carry.shrink_to(self.sizes.block);
        loop {
            if end == bytes.len() {
                if end >= room {
                    block.fault = Some(Fault::LongLine(self.sizes.line));
                    break;
                }
                if end == bytes.capacity() {
                    // While the memory grows, both the old and the new memory are in use. So the
                    // memory grows only a few times.
                    bytes.reserve_exact((end * 16).min(room) - end);
                }
                bytes.resize((end * 2).min(bytes.capacity()).min(room), 0);
            }
            match Blocking(&open.file).read(&mut bytes[end..]) {
                Ok(0) => {
                    block.length = end;
                    break;
                }
                Ok(count) => {
                    let read = end..end + count;
                    end = read.end;
                    if let Some(joiner) = &mut open.joiner {
                        joiner.join(&mut bytes[read.clone()]);
                    }
                    if let Some(at) = memchr::memrchr(b'\n', &bytes[read.clone()]) {
                        block.length = read.start + at + 1;
                        self.carry.extend_from_slice(&bytes[block.length..end]);
                        open.offset += block.length as u64;
                        return;
                    }
                    if is_stopped(&open.file, self.stop.as_ref()) {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    block.fault = Some(Fault::Io(e));
                    break;
                }
            }
        }
        self.open = None;
    }

    fn is_stopped(&self) -> bool {
        let file = self.open.as_ref().map(|open| &open.file);
        file.is_some_and(|file| is_stopped(file, self.stop.as_ref()))
    }
}

/// Waits until there is data, or until reading is stopped. Returns true if reading is stopped.
/// Without `stop`, returns false at once, so the next read may have to wait.
fn is_stopped(file: &File, stop: Option<&PipeReader>) -> bool {
    stop.is_some_and(|stop| readiness::is_stopped(file, stop))
}

fn path_name(path: &Path) -> String {
    match path.to_string_lossy() {
        name if name == "-" => "stdin".to_owned(),
        name => name.into_owned(),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = if path == Path::new("-") {
        File::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        File::open(path)?
    };
    pipes::grow(&file);
    Ok(file)
}
