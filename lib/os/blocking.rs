//! Reads and writes non-blocking descriptors as if they were blocking.
//!
//! A program shares stdin and stdout with its parent process. If the parent process has an event
//! loop (node, asyncio), they can have the flag `O_NONBLOCK`. This module does not remove the flag,
//! because the parent process uses the same descriptors.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

/// A descriptor whose reads and writes wait until it is ready.
#[derive(Debug)]
pub struct Blocking<T>(pub T);

impl<T: AsFd> Blocking<T> {
    fn wait_for<N>(
        &mut self,
        ready: PollFlags,
        mut attempt: impl FnMut(&mut T) -> io::Result<N>,
    ) -> io::Result<N> {
        loop {
            match attempt(&mut self.0) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    match poll(&mut [PollFd::new(&self.0, ready)], None) {
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(e) => return Err(e.into()),
                    }
                }
                result => return result,
            }
        }
    }
}

impl<T: AsFd + Read> Read for Blocking<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.wait_for(PollFlags::IN, |inner| inner.read(bytes))
    }
}

impl<T: AsFd + Write> Write for Blocking<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_for(PollFlags::OUT, |inner| inner.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wait_for(PollFlags::OUT, Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn what_would_not_wait_waits() {
        let (reader, writer) = io::pipe().unwrap();
        for end in [reader.as_fd(), writer.as_fd()] {
            rustix::io::ioctl_fionbio(end, true).unwrap();
        }
        let sent = vec![7; 1 << 20];
        let expected = sent.clone();
        let writing = thread::spawn(move || Blocking(writer).write_all(&sent));
        let mut got = Vec::new();
        Blocking(reader).read_to_end(&mut got).unwrap();
        writing.join().unwrap().unwrap();
        assert!(got == expected);
    }
}
