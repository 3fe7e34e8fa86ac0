//! A registry that fails as it is told: a proxy in front of the real one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::registry::registry;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// What the registry says.
    Pass,
    /// This status, and a few words.
    Status(u16),
    /// What the registry says, but no more than so many bytes.
    Cut(usize),
    /// Nothing: the connection is closed.
    Drop,
    /// What the registry says, but no more than so many bytes, and the connection stays.
    Stall(u64),
}

/// The proxy.
pub(super) struct Faulty {
    pub(super) address: String,
    /// The paths that were asked for.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

impl Faulty {
    /// `plan` is given the path of a request, and how often that path was asked for before.
    pub(super) fn start(plan: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, plan) = (Arc::clone(&asked), Arc::new(plan));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, plan) = (Arc::clone(&seen), Arc::clone(&plan));
                std::thread::spawn(move || {
                    // A client that goes away is none of our business.
                    let _ = serve(stream.unwrap(), &seen, &*plan);
                });
            }
        });
        Self { address, asked }
    }
}

fn serve(
    mut client: TcpStream,
    asked: &Mutex<Vec<String>>,
    plan: &(dyn Fn(&str, usize) -> Answer + Send + Sync),
) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
        // As a server answers that speaks no TLS.
        if !head[0].is_ascii_uppercase() {
            return client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        }
    }
    let head = String::from_utf8(head).expect("skopeo writes ASCII");
    let path = head.split(' ').nth(1).expect("a request has a path").to_owned();
    let before = {
        let mut asked = asked.lock().unwrap();
        let before = asked.iter().filter(|other| **other == path).count();
        asked.push(path.clone());
        before
    };
    let answer = plan(&path, before);
    let limit = match answer {
        Answer::Drop => return client.shutdown(Shutdown::Both),
        Answer::Status(status) => {
            // A client that would wait by itself need not wait long.
            let challenge = if status == 401 { "WWW-Authenticate: Basic realm=\"x\"\r\n" } else { "" };
            return write!(
                client,
                "HTTP/1.1 {status} X\r\nRetry-After: 0\r\n{challenge}Content-Length: 4\r\nConnection: close\r\n\r\noops"
            );
        }
        Answer::Pass => u64::MAX,
        Answer::Cut(bytes) => bytes as u64,
        Answer::Stall(bytes) => bytes,
    };
    let mut upstream = TcpStream::connect(&registry().address)?;
    let end = head.len() - 2;
    upstream.write_all(&head.as_bytes()[..end])?;
    upstream.write_all(b"Connection: close\r\n\r\n")?;
    io::copy(&mut upstream.take(limit), &mut client)?;
    if matches!(answer, Answer::Stall(_)) {
        // Until the client gives up.
        let _ = client.read(&mut byte)?;
    }
    client.shutdown(Shutdown::Both)
}
