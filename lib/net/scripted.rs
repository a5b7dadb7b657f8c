//! A service for unit tests, on this machine. It answers each request with the next reply of a
//! list.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts a service that gives each of these replies once and then no more. Returns the address of
/// the service. A reply is a status line, header lines, an empty line and a body.
pub(crate) fn serve(replies: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let replies: Vec<String> = replies.iter().map(|reply| (*reply).to_owned()).collect();
    thread::spawn(move || {
        for reply in replies {
            let (stream, _) = listener.accept().unwrap();
            answer(stream, &reply);
        }
    });
    address
}

fn answer(mut stream: TcpStream, reply: &str) {
    read_request(&mut stream);
    let (head, body) = reply.split_once("\n\n").unwrap_or((reply, ""));
    let head = head.replace('\n', "\r\n");
    let length = body.len();
    let whole =
        format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(whole.as_bytes()).unwrap();
}

/// Reads a whole request. Closing the connection earlier could cut off the reply.
fn read_request(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .split_once("content-length: ")
        .map_or("0", |(_, rest)| {
            rest.split("\r\n").next().unwrap_or_default()
        });
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
}
