//! Listening and threads: one for accepting, one per connection, all of them ended promptly when
//! the server drops, even in the middle of a stall. A client that goes away is an ordinary end; a
//! panic in a handler is counted, not hidden.

use std::io::{self, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::http::Request;
use super::lock;
use super::reply::Reply;

/// A sleep that ends at once when the server does.
#[derive(Default)]
pub struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits for so long; the answer is whether the server has been stopped.
    pub fn wait(&self, time: Duration) -> bool {
        let stopped = lock(&self.stopped);
        *self
            .changed
            .wait_timeout_while(stopped, time, |stopped| !*stopped)
            .expect("nobody panics while holding a flag")
            .0
    }

    fn set(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }
}

pub struct Server {
    address: SocketAddr,
    stop: Arc<Stop>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Port 0 takes any free one.
    pub fn start<H>(port: u16, panics: Arc<AtomicU64>, handler: H) -> io::Result<Server>
    where
        H: Fn(&Request) -> Reply + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(Stop::default());
        let accepting = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || accept(&listener, &stop, &panics, &Arc::new(handler)))
        };
        Ok(Server {
            address,
            stop,
            accepting: Some(accepting),
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.set();
        // Accepting blocks; a connection of our own makes it look at the flag.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

struct Connection {
    socket: TcpStream,
    thread: JoinHandle<()>,
}

fn accept<H>(listener: &TcpListener, stop: &Arc<Stop>, panics: &Arc<AtomicU64>, handler: &Arc<H>)
where
    H: Fn(&Request) -> Reply + Send + Sync + 'static,
{
    let mut open: Vec<Connection> = Vec::new();
    for arrival in listener.incoming() {
        if stop.wait(Duration::ZERO) {
            break;
        }
        open.retain(|connection| !connection.thread.is_finished());
        let pair = arrival.and_then(|socket| Ok((socket.try_clone()?, socket)));
        let Ok((ours, socket)) = pair else { continue };
        let (stop, panics, handler) = (Arc::clone(stop), Arc::clone(panics), Arc::clone(handler));
        let thread = thread::spawn(move || {
            let talk = AssertUnwindSafe(|| converse(&socket, &stop, &*handler));
            if catch_unwind(talk).is_err() {
                panics.fetch_add(1, Ordering::Relaxed);
            }
            // The accepting thread holds a duplicate: dropping this one would not close it.
            let _ = socket.shutdown(Shutdown::Both);
        });
        open.push(Connection {
            socket: ours,
            thread,
        });
    }
    for connection in &open {
        let _ = connection.socket.shutdown(Shutdown::Both);
    }
    for connection in open {
        let _ = connection.thread.join();
    }
}

fn converse(
    socket: &TcpStream,
    stop: &Stop,
    handler: &impl Fn(&Request) -> Reply,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut input = BufReader::new(socket);
    let mut output = socket;
    loop {
        let request = match Request::read(&mut input, &mut output) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Reply::new(400, "text/plain", error.to_string()).send(&mut output, stop)?;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let reusable = handler(&request).send(&mut output, stop)?;
        if !(reusable && request.keep_alive) {
            return Ok(());
        }
    }
}
