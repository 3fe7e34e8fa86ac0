//! Blobs of images over skopeo's image proxy.
//!
//! `skopeo experimental-image-proxy` has a socket as its standard input, over which each
//! request and each reply is one packet of JSON; the bytes of a blob come through a pipe
//! that comes with the reply (cmd/skopeo/proxy.go). It answers one request after the other,
//! so whoever wants several blobs at a time has several proxies. It ends with its socket, and
//! writes nothing, so it needs no lock of the directory that is written to.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType,
    recvmsg, send, socketpair,
};
use serde::{Deserialize, Serialize};

use super::{Failure, RegistryAccess, skopeo};
use crate::images::Digest;
use crate::sys::{Child, OutputTail};

/// The largest packet that it sends (`maxMsgSize` there), and more.
const PACKET: usize = 64 << 10;

/// How many bytes of a blob are taken at a time.
const BUFFER: usize = 256 << 10;

/// A proxy that runs.
#[derive(Debug)]
pub struct ImageProxy {
    socket: OwnedFd,
    stall: Duration,
    /// The images that are open, by their references.
    images: HashMap<String, u64>,
    _child: Child,
}

#[derive(Serialize)]
struct Request<'a, A> {
    method: &'a str,
    args: A,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    success: bool,
    value: serde_json::Value,
    pipeid: u32,
    error: String,
}

impl ImageProxy {
    /// Starts one. `None` if this skopeo has none, or none that answers.
    pub fn start(access: RegistryAccess<'_>) -> Option<Self> {
        let mut arguments: Vec<OsString> = vec!["experimental-image-proxy".into()];
        if let Some(authfile) = access.authfile {
            arguments.extend(["--authfile".into(), authfile.into()]);
        }
        if let Some(verify) = access.tls_verify {
            arguments.push(format!("--tls-verify={verify}").into());
        }
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).ok()?;
        set_socket_timeout(&socket, Timeout::Recv, Some(access.stall)).ok()?;
        let mut command = Command::new("skopeo");
        command.args(arguments).stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let child = Child::start(command, OutputTail::Stderr).ok()?;
        let proxy = Self { socket, stall: access.stall, images: HashMap::new(), _child: child };
        let version = proxy.call("Initialize", [(); 0]).ok()?.0.value;
        // Other numbers before the second point would be another protocol.
        version.as_str().is_some_and(|version| version.starts_with("0.2.")).then_some(proxy)
    }

    /// Fetches a blob of the repository of the image `source` and gives its bytes to `take`, whose
    /// errors end it, as more than `size` bytes do. Whether they are the right ones is for the
    /// caller to find out. Failures name `reference`; the proxy is of no use after one.
    pub fn fetch_blob(
        &mut self,
        source: &str,
        reference: &str,
        digest: &Digest,
        size: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let image = self.image(source, reference)?;
        let failed = |error: io::Error| self::failed(reference, self.stall, &error);
        let (reply, pipe) = self.call("GetBlob", (image, digest.as_str(), size)).map_err(failed)?;
        let reply = reply.value(reference)?;
        let Some(pipe) = pipe else {
            return Err(Failure::of(reference, "the image proxy sends no blob"));
        };
        // It closes the pipe only after this, whose reply comes when all is sent.
        let failed = |error: io::Error| self::failed(reference, self.stall, &error);
        self.send("FinishPipe", [reply.pipeid]).map_err(failed)?;
        let mut buffer = vec![0; BUFFER];
        let mut pipe = File::from(pipe);
        let mut left = size;
        loop {
            wait_for(&pipe, self.stall).map_err(failed)?;
            let count = pipe.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                break;
            }
            left = left.checked_sub(count as u64).ok_or_else(|| Failure::of(reference, TOO_LONG))?;
            take(&buffer[..count])?;
        }
        self.reply().map_err(failed)?.0.value(reference).map(drop)
    }

    /// Opens the image `source`, unless it is open.
    fn image(&mut self, source: &str, reference: &str) -> Result<u64, Failure> {
        if let Some(image) = self.images.get(source) {
            return Ok(*image);
        }
        let failed = |error: io::Error| self::failed(reference, self.stall, &error);
        let (reply, _) = self.call("OpenImage", [format!("docker://{source}")]).map_err(failed)?;
        let Some(image) = reply.value(reference)?.value.as_u64() else {
            return Err(Failure::of(reference, "the image proxy opens no image"));
        };
        self.images.insert(source.to_owned(), image);
        Ok(image)
    }

    fn call(&self, method: &str, args: impl Serialize) -> io::Result<(Reply, Option<OwnedFd>)> {
        self.send(method, args)?;
        self.reply()
    }

    fn send(&self, method: &str, args: impl Serialize) -> io::Result<()> {
        let packet = serde_json::to_vec(&Request { method, args })?;
        send(&self.socket, &packet, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next reply, and the pipe that comes with it.
    fn reply(&self) -> io::Result<(Reply, Option<OwnedFd>)> {
        let mut packet = vec![0; PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let count = loop {
            let into = &mut [IoSliceMut::new(&mut packet)];
            match recvmsg(&self.socket, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                result => break result?.bytes,
            }
        };
        let mut pipe = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                pipe = descriptors.last();
            }
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((serde_json::from_slice(&packet[..count])?, pipe))
    }
}

/// As a client says it that was sent too much.
const TOO_LONG: &str = "the blob does not match its size: it is longer";

impl Reply {
    /// Itself, unless it says what failed.
    fn value(self, reference: &str) -> Result<Self, Failure> {
        if self.success { Ok(self) } else { Err(Failure::of(reference, &self.error)) }
    }
}

/// What it means that the proxy does not answer.
fn failed(reference: &str, stall: Duration, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => skopeo::stalled(reference, stall),
        // It has ended, which it does when it is killed.
        _ => Failure::of(reference, &format!("the image proxy ended: unexpected EOF: {error}")),
    }
}

/// Waits until there is something to read, or nothing more.
fn wait_for(pipe: &impl AsFd, stall: Duration) -> io::Result<()> {
    let timeout = Timespec { tv_sec: stall.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: 0 };
    loop {
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
